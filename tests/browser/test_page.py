"""The page of a worker on a real broker, as programs get it."""

import asyncio
import json

import aiohttp
import pytest

from carteiro.worker.page.form import MAX_CONCURRENT_REQUESTS, RequestForm
from tests.browser.conftest import ServedWorker
from tests.conftest import eventually, eventually_true
from tests.provider import Provider

TEXT = "one two three four five six"
CANARY = "canary-of-the-page"


def body(value, task="generate"):
    return {"task": task, "value": json.dumps(value)}


def headers(served: ServedWorker) -> dict[str, str]:
    return {"origin": served.url.rstrip("/")}


async def sent(served: ServedWorker, value, task="generate") -> list[dict]:
    """Return the response lines to a request of the form."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{served.url}request", json=body(value, task), headers=headers(served)) as answer,
    ):
        return [json.loads(line) async for line in answer.content]


async def state_of(served: ServedWorker) -> dict:
    async with aiohttp.ClientSession() as session, session.get(f"{served.url}state") as answer:
        return await answer.json()


async def test_request_goes_over_kafka_and_its_reply_streams(served):
    *pieces, whole = await sent(served, {"prompt": TEXT, "options": {"stream": True}})
    assert pieces
    assert {piece["status"] for piece in pieces} == {"partial"}
    assert "".join(piece["text"] for piece in pieces) == whole["result"]["text"] == TEXT
    assert whole["request_id"].startswith("shown.generate.requests/")


async def test_error_reply_is_shown_unchanged(served, provider: Provider):
    provider.answer({"error": {"message": "no", "code": "content_filter"}}, 400)
    (line,) = await sent(served, {"prompt": TEXT})
    assert (line["status"], line["error"]["code"]) == ("error", "content_filtered")


async def test_state_counts_requests_and_errors_without_their_texts(served, provider: Provider):
    before = {each["task"]: each for each in (await state_of(served))["tasks"]}["sentiment"]
    provider.answer({"error": {"message": f"Filtered: {CANARY}", "code": "content_filter"}}, 400)
    (line,) = await sent(served, {"text": f"This is {CANARY}."}, "sentiment")
    assert line["status"] == "error"

    async def counted():
        state = await state_of(served)
        task = {each["task"]: each for each in state["tasks"]}["sentiment"]
        return (task["requests"], task["errors"], task["lag"]) == (before["requests"] + 1, before["errors"] + 1, 0)

    await eventually_true(counted)
    state = await state_of(served)
    errors = {(each["task"], each["code"]): each for each in state["errors"]}
    assert errors["sentiment", "content_filtered"]["last"].startswith("20")
    assert (state["condition"], state["ready"], state["delivery"]) == ("ready", True, "at_least_once")
    async with aiohttp.ClientSession() as session:
        for path in ("", "state"):
            async with session.get(f"{served.url}{path}") as answer:
                shown = await answer.text()
                assert CANARY not in shown
                assert "sentiment" in shown


async def test_lag_counts_unfinished_requests(served, provider: Provider):
    provider.hold()
    try:
        sending = asyncio.create_task(sent(served, {"text": "Good."}, "summarize"))

        async def waits():
            task = {each["task"]: each for each in (await state_of(served))["tasks"]}["summarize"]
            return (task["lag"], task["in_flight"]) == (1, 1)

        await eventually_true(waits)
    finally:
        provider.release()
    assert (await sending)[-1]["status"] == "ok"


def form_of(served: ServedWorker) -> RequestForm:
    return dict(served.app.routes)["/request"]


async def test_concurrent_requests_are_limited_and_a_closed_browser_frees_its_slot(served, provider):
    form = form_of(served)
    provider.hold()
    try:
        asking = [asyncio.create_task(sent(served, {"prompt": str(each)})) for each in range(MAX_CONCURRENT_REQUESTS)]
        await eventually(lambda: form._open_requests == MAX_CONCURRENT_REQUESTS)
        assert (await sent(served, {"prompt": TEXT}))[-1]["status"] == "refused"
        for each in asking:
            each.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        await eventually(lambda: form._open_requests == 0)
    finally:
        provider.release()
    assert (await sent(served, {"prompt": TEXT}))[-1]["status"] == "ok"


async def test_stopping_worker_does_not_wait_for_the_form(served, provider: Provider, monkeypatch):
    provider.hold()
    try:
        asking = asyncio.create_task(sent(served, {"prompt": TEXT}))
        await eventually(lambda: form_of(served)._open_requests == 1)
        monkeypatch.setattr(form_of(served), "_is_stopping", lambda: True)
        assert await asking == []
    finally:
        provider.release()


@pytest.mark.parametrize("path", ["", "state", "asyncapi", "asyncapi.html"])
async def test_every_page_has_a_policy_and_is_not_cached(served, path):
    async with aiohttp.ClientSession() as session, session.get(f"{served.url}{path}") as answer:
        assert answer.status == 200
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_other_site_cannot_send(served):
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{served.url}request", json=body({"prompt": TEXT}), headers={"origin": "http://evil"}) as answer,
    ):
        assert answer.status == 403
        assert "access-control-allow-origin" not in answer.headers
