"""Providers that refuse, drop, dawdle or talk nonsense; keys that are replaced, and that nobody is told."""

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from carteiro.models.cloud.batches import calls, files
from carteiro.models.cloud.batches.interface import Batch
from carteiro.models.cloud.client import CloudModel
from carteiro.models.failures import (
    InvalidPrompt,
    Misconfigured,
    ModelFailure,
    QuotaExhausted,
    RateLimited,
    Unavailable,
)
from tests.provider import Provider
from tests.unit.models.cloud.asking import KEY, opened
from tests.unit.models.cloud.batches.doing import PROVIDERS, batches_of, ended, lines, open_at, results, submitted

WRONG_KEY = {"error": {"message": f"Incorrect API key provided: {KEY[:8]}***{KEY[-4:]}.", "code": "invalid_api_key"}}
WAYS = ("upload", "submit", "look", "list", "download", "delete", "files", "cancel")


async def go(way: str, model: CloudModel, batch: Batch) -> None:
    """One call of this kind."""
    batches = batches_of(model)
    match way:
        case "upload":
            await batches.upload("two", lines(model, "two"))
        case "submit":
            await batches.submit("two", batch.input_file)
        case "look":
            await batches.look(batch.id)
        case "list":
            await batches.find("one", batch.input_file)
        case "download":
            await results(model, batch)
        case "delete":
            await batches.delete(batch.input_file)
        case "files":
            await batches.files("one")
        case "cancel":
            await batches.cancel(batch.id)


async def failure(way: str, model: CloudModel, batch: Batch) -> ModelFailure:
    with pytest.raises(ModelFailure) as caught:
        await go(way, model, batch)
    return caught.value


@pytest.fixture
async def batch(model: CloudModel) -> Batch:
    """One that is completed."""
    return await ended(model, await submitted(model, "one"))


@pytest.mark.parametrize("way", WAYS)
async def test_what_is_refused(way: str, model: CloudModel, batch: Batch, provider: Provider) -> None:
    ours = provider.batches
    limit = {"error": {"message": "Limit of org-secret.", "type": "requests", "code": "rate_limit_exceeded"}}
    ours.refuse(way, 429, limit, Retry_After="7")
    limited = await failure(way, model, batch)
    assert type(limited) is RateLimited
    assert limited.retry_after == 7
    ours.refuse(way, 500)
    assert type(await failure(way, model, batch)) is Unavailable
    ours.refuse(way, 429, {"error": {"message": "Pay.", "code": "insufficient_quota"}})
    assert type(await failure(way, model, batch)) is QuotaExhausted
    ours.refuse(way, 403, {"error": {"message": "Project `proj_secret` may not."}})
    denied = await failure(way, model, batch)
    assert type(denied) is Misconfigured
    assert "secret" not in limited.message + denied.message
    await go(way, model, batch)


@pytest.mark.parametrize("way", WAYS)
async def test_a_refused_key_is_in_no_message(way: str, model: CloudModel, batch: Batch, provider: Provider) -> None:
    provider.batches.refuse(way, 401, WRONG_KEY)
    with capture_logs() as logs:
        raised = await failure(way, model, batch)
    assert type(raised) is Misconfigured
    assert "_API_KEY" in raised.message
    told = "".join(traceback.format_exception(raised)) + str(logs)
    assert KEY not in told
    assert KEY[:8] not in told
    assert KEY[-4:] not in told


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", PROVIDERS)
async def test_a_refused_key_is_read_again(
    kind: str, way: str, provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key"
    file.write_text("key-1")
    variable = {"openai": "OPENAI_API_KEY", "azure": "AZURE_OPENAI_API_KEY", "google": "GEMINI_API_KEY"}[kind]
    model = open_at(provider, kind, **{f"{variable}_FILE": str(file)})
    batch = await ended(model, await submitted(model, "one"))
    credential = model._endpoint.credential
    monkeypatch.setattr(credential, "_stamp", lambda: credential._seen)  # a file system that does not tell
    file.write_text("key-2")
    provider.batches.asked.clear()
    provider.batches.refuse(way, 401, WRONG_KEY)
    await go(way, model, batch)
    await model.close()
    signed = [asked for asked in provider.batches.of(way) if "upload_id" not in asked.query]
    names = ("Authorization", "api-key", "x-goog-api-key")
    sent = [next(asked.headers[name] for name in names if name in asked.headers) for asked in signed]
    first, *more = (each.removeprefix("Bearer ") for each in sent)
    assert first == "key-1"
    assert set(more) == {"key-2"}
    if way == "upload":
        (name,) = {each.content for each in provider.batches.files.values() if each.name == "two.jsonl"}
        assert name == lines(model, "two")[0]


@pytest.mark.parametrize("way", WAYS)
async def test_a_dropped_connection(way: str, model: CloudModel, batch: Batch, provider: Provider) -> None:
    provider.batches.lose(way, 2)  # aiohttp tries once more what can do no harm
    assert type(await failure(way, model, batch)) is Unavailable


NONSENSE = [(way, body) for way in (*WAYS[:4], "files") for body in ([], "no", 7, {"data": 7, "files": 7}, None)]


@pytest.mark.parametrize(("way", "body"), NONSENSE)
async def test_nonsense(way: str, body: object, model: CloudModel, batch: Batch, provider: Provider) -> None:
    ours = provider.batches
    ours.refuse(way, 200, "" if body is None else body)
    assert type(await failure(way, model, batch)) is Unavailable


async def test_no_redirect_takes_the_key_elsewhere(model: CloudModel, batch: Batch, provider: Provider) -> None:
    async with Provider() as elsewhere:
        for way in ("submit", "download"):
            provider.batches.refuse(way, 307, {}, Location=f"{elsewhere.url}/batches")
            assert type(await failure(way, model, batch)) is Misconfigured
        assert not elsewhere.batches.asked


async def test_google_gives_an_address_that_is_none(google: CloudModel, provider: Provider) -> None:
    for headers in ({}, {"X_Goog_Upload_URL": "file:///etc/passwd"}):
        provider.batches.refuse("upload", 200, {}, **headers)
        with pytest.raises(Unavailable, match="no address"):
            await batches_of(google).upload("one", lines(google, "one"))


@pytest.mark.parametrize("model", ["azure", "google"], indirect=True)
async def test_a_file_that_is_never_processed(
    model: CloudModel, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = await batches_of(model).upload("one", lines(model, "one"))
    provider.batches.refuse("file", 200, {"id": file, "name": file, "status": "error", "state": "FAILED"})
    with pytest.raises(InvalidPrompt, match="could not process"):
        await batches_of(model).ready(file)
    monkeypatch.setattr(files, "TRANSFER_SECONDS", 0.3)
    provider.batches.files[file].looks = 10_000
    with pytest.raises(Unavailable, match=r"within 0\.3 s"):
        await batches_of(model).ready(file)
    assert not provider.batches.made


@pytest.mark.parametrize("kind", PROVIDERS)
async def test_calls_that_hang_end_with_the_models_timeout(
    kind: str, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = open_at(provider, kind, CARTEIRO_MODEL_TIMEOUT_SECONDS="0.3")
    batch = await ended(model, await submitted(model, "one"))

    async def hang(_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(provider.batches, "_advance", hang)
    began = time.monotonic()
    with pytest.raises(Unavailable, match=r"within 0\.3 s"):
        async with asyncio.timeout(5):
            await go("look", model, batch)
    assert time.monotonic() - began < 2
    await model.close()


@asynccontextmanager
async def serving(method: str, path: str, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]):
    """A model whose provider has this endpoint alone."""
    app = web.Application()
    app.router.add_route(method, f"/v1{path}", handler)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    model = opened("openai:echo", OPENAI_BASE_URL=url, OPENAI_API_KEY=KEY, CARTEIRO_MODEL_TIMEOUT_SECONDS="0.3")
    yield model
    await model.close()
    await runner.cleanup()


class Dripping:
    """A results file that comes line by line, as slowly as it is told, and may break off."""

    def __init__(self, pause: float, count: int, *, cut: bool = False) -> None:
        self.pause, self.count, self.cut = pause, count, cut
        self.sent = 0

    async def send(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for number in range(self.count):
            line = f'{{"custom_id": "l-{number}", "response": {{"status_code": 200, "body": {{}}}}}}\n'
            await response.write(line.encode())
            self.sent += 1
            await asyncio.sleep(self.pause)
        if self.cut:
            assert request.transport
            request.transport.abort()
        return response


CONTENT = "/files/{id}/content"
COMPLETED = Batch("b", None, "f", "completed", ("out",))


async def test_a_download_may_take_longer_than_a_call() -> None:
    async with serving("GET", CONTENT, Dripping(0.1, 8).send) as model:
        assert len(await results(model, COMPLETED)) == 8


async def test_a_download_has_an_end_nevertheless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "TRANSFER_SECONDS", 0.3)
    dripping = Dripping(0.05, 10_000)
    async with serving("GET", CONTENT, dripping.send) as model:
        with pytest.raises(Unavailable):
            await results(model, COMPLETED)
        assert 1 < dripping.sent < 1000


async def test_whoever_reads_may_take_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "TRANSFER_SECONDS", 0.5)
    count = 0
    async with serving("GET", CONTENT, Dripping(0.02, 5).send) as model:
        async for _ in batches_of(model).results(COMPLETED):
            await asyncio.sleep(0.2)
            count += 1
    assert count == 5


async def test_results_come_as_they_are_read() -> None:
    dripping = Dripping(0.05, 10_000)
    async with serving("GET", CONTENT, dripping.send) as model:
        reading = batches_of(model).results(COMPLETED)
        assert (await anext(reading)).id == "l-0"
        assert dripping.sent < 100
        await reading.aclose()


async def test_a_download_that_breaks_off() -> None:
    async with serving("GET", CONTENT, Dripping(0, 3, cut=True).send) as model:
        with pytest.raises(Unavailable):
            await results(model, COMPLETED)


@pytest.mark.parametrize(("within", "fails"), [(5, False), (0.3, True)])
async def test_an_upload_may_take_longer_than_a_call_and_not_for_ever(
    within: float, fails: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow(request: web.Request) -> web.Response:
        await request.read()
        await asyncio.sleep(0.6)
        return web.json_response({"id": "file-1"})

    monkeypatch.setattr(files, "TRANSFER_SECONDS", within)
    async with serving("POST", "/files", slow) as model:
        upload = batches_of(model).upload("one", lines(model, "one"))
        if fails:
            with pytest.raises(Unavailable, match=r"within 0\.3 s"):
                await upload
        else:
            assert await upload == "file-1"
