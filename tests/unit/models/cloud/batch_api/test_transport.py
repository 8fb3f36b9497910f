"""Batch errors: refusals, dropped connections, slow answers and nonsense of providers; keys that are replaced."""

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from carteiro.models.cloud.batch_api import files, transport
from carteiro.models.cloud.batch_api.interface import ProviderBatch
from carteiro.models.cloud.client import CloudModel
from carteiro.models.errors import (
    Misconfigured,
    ModelError,
    QuotaExhausted,
    RateLimited,
    Unavailable,
)
from tests.local_server import LocalServer
from tests.provider import Provider
from tests.unit.models.cloud.batch_api.batch_calls import (
    PROVIDERS,
    batch_api_of,
    encode_lines,
    open_model,
    read_results,
    submit_batch,
    wait_until_ended,
)
from tests.unit.models.cloud.cloud_models import KEY, open_cloud_model

WRONG_KEY = {"error": {"message": f"Incorrect API key provided: {KEY[:8]}***{KEY[-4:]}.", "code": "invalid_api_key"}}


METHODS = ("upload", "submit", "look", "list", "download", "delete", "files", "cancel")


async def call_method(method: str, model: CloudModel, batch: ProviderBatch) -> None:
    """Make one call of this method."""
    batches = batch_api_of(model)
    match method:
        case "upload":
            await batches.upload("two", encode_lines(model, "two"))
        case "submit":
            await batches.submit("two", batch.input_file)
        case "look":
            await batches.retrieve(batch.id)
        case "list":
            await batches.find("one", batch.input_file)
        case "download":
            await read_results(model, batch)
        case "delete":
            await batches.delete_file(batch.input_file)
        case "files":
            await batches.list_files("one")
        case "cancel":
            await batches.cancel(batch.id)


async def error_of(method: str, model: CloudModel, batch: ProviderBatch) -> ModelError:
    with pytest.raises(ModelError) as caught:
        await call_method(method, model, batch)
    return caught.value


@pytest.fixture
async def batch(model: CloudModel) -> ProviderBatch:
    """Return a completed batch."""
    return await wait_until_ended(model, await submit_batch(model, "one"))


@pytest.mark.parametrize("way", METHODS)
async def test_refused_call_fails_with_a_typed_error(
    way: str, model: CloudModel, batch: ProviderBatch, provider: Provider
) -> None:
    ours = provider.batches
    limit = {"error": {"message": "Limit of org-secret.", "type": "requests", "code": "rate_limit_exceeded"}}
    ours.refuse(way, 429, limit, Retry_After="7")
    limited = await error_of(way, model, batch)
    assert type(limited) is RateLimited
    assert limited.retry_after == 7
    ours.refuse(way, 500)
    assert type(await error_of(way, model, batch)) is Unavailable
    ours.refuse(way, 429, {"error": {"message": "Pay.", "code": "insufficient_quota"}})
    assert type(await error_of(way, model, batch)) is QuotaExhausted
    ours.refuse(way, 403, {"error": {"message": "Project `proj_secret` may not."}})
    denied = await error_of(way, model, batch)
    assert type(denied) is Misconfigured
    assert "secret" not in limited.message + denied.message
    await call_method(way, model, batch)


@pytest.mark.parametrize("way", METHODS)
async def test_a_refused_key_is_in_no_message(
    way: str, model: CloudModel, batch: ProviderBatch, provider: Provider
) -> None:
    provider.batches.refuse(way, 401, WRONG_KEY)
    with capture_logs() as logs:
        raised = await error_of(way, model, batch)
    assert type(raised) is Misconfigured
    assert "_API_KEY" in raised.message
    output = "".join(traceback.format_exception(raised)) + str(logs)
    assert KEY not in output
    assert KEY[:8] not in output
    assert KEY[-4:] not in output


@pytest.mark.parametrize("way", METHODS)
@pytest.mark.parametrize("kind", PROVIDERS)
async def test_a_refused_key_is_read_again(
    kind: str, way: str, provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key"
    file.write_text("key-1")
    variable = {"openai": "OPENAI_API_KEY", "azure": "AZURE_OPENAI_API_KEY", "google": "GEMINI_API_KEY"}[kind]
    model = open_model(provider, kind, **{f"{variable}_FILE": str(file)})
    batch = await wait_until_ended(model, await submit_batch(model, "one"))
    credential = model._endpoint.credential
    # This is a file system that does not report changes.
    monkeypatch.setattr(credential, "_stamp", lambda: credential._seen)
    file.write_text("key-2")
    provider.batches.requests.clear()
    provider.batches.refuse(way, 401, WRONG_KEY)
    await call_method(way, model, batch)
    await model.close()
    signed = [recorded for recorded in provider.batches.of(way) if "upload_id" not in recorded.query]
    names = ("Authorization", "api-key", "x-goog-api-key")
    sent = [next(recorded.headers[name] for name in names if name in recorded.headers) for recorded in signed]
    first, *more = (each.removeprefix("Bearer ") for each in sent)
    assert first == "key-1"
    assert set(more) == {"key-2"}
    if way == "upload":
        (name,) = {each.content for each in provider.batches.files.values() if each.name == "two.jsonl"}
        assert name == encode_lines(model, "two")[0]


@pytest.mark.parametrize("way", METHODS)
async def test_dropped_connection_is_unavailable(
    way: str, model: CloudModel, batch: ProviderBatch, provider: Provider
) -> None:
    provider.batches.lose_responses(way, 2)  # aiohttp retries a harmless request once.
    assert type(await error_of(way, model, batch)) is Unavailable


NONSENSE = [(way, body) for way in (*METHODS[:4], "files") for body in ([], "no", 7, {"data": 7, "files": 7}, None)]


@pytest.mark.parametrize(("way", "body"), NONSENSE)
async def test_nonsense_answer_is_unavailable(
    way: str, body: object, model: CloudModel, batch: ProviderBatch, provider: Provider
) -> None:
    ours = provider.batches
    ours.refuse(way, 200, "" if body is None else body)
    assert type(await error_of(way, model, batch)) is Unavailable


async def test_no_redirect_takes_the_key_elsewhere(model: CloudModel, batch: ProviderBatch, provider: Provider) -> None:
    async with Provider() as elsewhere:
        for way in ("submit", "download"):
            provider.batches.refuse(way, 307, {}, Location=f"{elsewhere.url}/batches")
            assert type(await error_of(way, model, batch)) is Misconfigured
        assert not elsewhere.batches.requests


@pytest.mark.parametrize("kind", PROVIDERS)
async def test_calls_that_hang_end_with_the_models_timeout(
    kind: str, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = open_model(provider, kind, CARTEIRO_MODEL_TIMEOUT_SECONDS="0.3")
    batch = await wait_until_ended(model, await submit_batch(model, "one"))

    async def hang(_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(provider.batches, "_advance", hang)
    began = time.monotonic()
    with pytest.raises(Unavailable, match=r"within 0\.3 s"):
        async with asyncio.timeout(5):
            await call_method("look", model, batch)
    assert time.monotonic() - began < 2
    await model.close()


class OneEndpoint(LocalServer):
    """Provider with a single endpoint."""

    path = "/v1"
    cancels_handlers = True

    def __init__(self, route: web.RouteDef) -> None:
        self._route = route

    def routes(self) -> list[web.RouteDef]:
        return [self._route]


@asynccontextmanager
async def model_with_handler(method: str, path: str, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]):
    """Open a model whose provider has only this endpoint."""
    async with OneEndpoint(web.route(method, f"/v1{path}", handler)) as server:
        model = open_cloud_model(
            "openai:echo", OPENAI_BASE_URL=server.url, OPENAI_API_KEY=KEY, CARTEIRO_MODEL_TIMEOUT_SECONDS="0.3"
        )
        yield model
        await model.close()


class SlowDownload:
    """A results file that comes line by line, with a pause after each, and may break off."""

    def __init__(self, pause: float, count: int, *, abort: bool = False) -> None:
        self.pause, self.count, self.abort = pause, count, abort
        self.lines_sent = 0

    async def send(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for number in range(self.count):
            line = f'{{"custom_id": "l-{number}", "response": {{"status_code": 200, "body": {{}}}}}}\n'
            await response.write(line.encode())
            self.lines_sent += 1
            await asyncio.sleep(self.pause)
        if self.abort:
            assert request.transport
            request.transport.abort()
        return response


CONTENT = "/files/{id}/content"


COMPLETED = ProviderBatch("b", None, "f", "completed", ("out",))


async def test_a_download_may_take_longer_than_a_call() -> None:
    async with model_with_handler("GET", CONTENT, SlowDownload(0.1, 8).send) as model:
        assert len(await read_results(model, COMPLETED)) == 8


async def test_download_time_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "TRANSFER_SECONDS", 0.3)
    dripping = SlowDownload(0.05, 10_000)
    async with model_with_handler("GET", CONTENT, dripping.send) as model:
        with pytest.raises(Unavailable):
            await read_results(model, COMPLETED)
        assert 1 < dripping.lines_sent < 1000


async def test_time_of_a_slow_reader_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "TRANSFER_SECONDS", 0.5)
    count = 0
    async with model_with_handler("GET", CONTENT, SlowDownload(0.02, 5).send) as model:
        async for _ in batch_api_of(model).results(COMPLETED):
            await asyncio.sleep(0.2)
            count += 1
    assert count == 5


async def test_results_come_as_they_are_read() -> None:
    dripping = SlowDownload(0.05, 10_000)
    async with model_with_handler("GET", CONTENT, dripping.send) as model:
        reading = batch_api_of(model).results(COMPLETED)
        assert (await anext(reading)).id == "l-0"
        assert dripping.lines_sent < 100
        await reading.aclose()


async def test_download_that_breaks_off_is_unavailable() -> None:
    async with model_with_handler("GET", CONTENT, SlowDownload(0, 3, abort=True).send) as model:
        with pytest.raises(Unavailable):
            await read_results(model, COMPLETED)


@pytest.mark.parametrize(("within", "fails"), [(5, False), (0.3, True)])
async def test_upload_may_take_longer_than_a_call_but_is_bounded(
    within: float, fails: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow(request: web.Request) -> web.Response:
        await request.read()
        await asyncio.sleep(0.6)
        return web.json_response({"id": "file-1"})

    monkeypatch.setattr(files, "TRANSFER_SECONDS", within)
    async with model_with_handler("POST", "/files", slow) as model:
        upload = batch_api_of(model).upload("one", encode_lines(model, "one"))
        if fails:
            with pytest.raises(Unavailable, match=r"within 0\.3 s"):
                await upload
        else:
            assert await upload == "file-1"
