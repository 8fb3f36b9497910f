"""The guard of the request form: it lets through only requests of its own page."""

import asyncio
import json

import pytest

from carteiro.settings.worker import WorkerSettings
from carteiro.worker.page import form as module
from carteiro.worker.page.form import MAX_BODY_BYTES, MAX_CONCURRENT_REQUESTS, RequestForm
from services.chat.task import task

SAME = {
    "host": "127.0.0.1:8080",
    "origin": "http://127.0.0.1:8080",
    "sec-fetch-site": "same-origin",
    "content-type": "application/json",
}
CHAT = {"messages": [{"role": "user", "content": "Hello."}]}
BODY = json.dumps({"task": "chat", "value": json.dumps(CHAT)}).encode()


class GuardPassed(Exception):
    """The request passed the guard."""


@pytest.fixture
def make_form(monkeypatch):
    async def relay(self, request, receive, send):
        raise GuardPassed(request)

    monkeypatch.setattr(RequestForm, "_relay", relay)

    def make(**settings):
        given = WorkerSettings(**{"http_form": True} | settings)
        return RequestForm([task], given, {"bootstrap_servers": ["127.0.0.1:9"]}, lambda: False)

    return make


async def ask(form, headers=None, body=BODY, method="POST", chunks=None, never=False):
    """Return the status and the message of the rejection."""
    raw = [(name.encode(), value.encode()) for name, value in (SAME | (headers or {})).items() if value is not None]
    parts = list(chunks or [body])
    sent = []

    async def receive():
        if never:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    async def send(message):
        sent.append(message)

    await form({"type": "http", "method": method, "path": "/request", "headers": raw}, receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"])["message"]


async def test_request_of_the_page_passes(make_form):
    with pytest.raises(GuardPassed) as passed:
        await ask(make_form())
    assert passed.value.args[0].messages[0].content == "Hello."


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "[::1]:8080", "origin": "http://[::1]:8080"},
        {"host": "localhost:8080", "origin": "http://localhost:8080"},
        {"host": "10.1.2.3", "origin": "http://10.1.2.3"},
        {"sec-fetch-site": None},
        {"content-type": "application/json; charset=utf-8"},
        {"host": "carteiro.example.com", "origin": "https://carteiro.example.com"},
    ],
)
async def test_page_is_reachable_by_address_localhost_or_known_name(make_form, headers):
    with pytest.raises(GuardPassed):
        await ask(make_form(http_form_hosts="other.example, Carteiro.Example.com"), headers)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": None}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://127.0.0.1:8081"}, 403),
        ({"origin": "http://[broken"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "none"}, 403),
        ({"host": "evil.example:8080", "origin": "http://evil.example:8080"}, 403),
        ({"host": "localhost.evil.example", "origin": "http://localhost.evil.example"}, 403),
        ({"host": "[broken", "origin": "http://[broken"}, 403),
        ({"host": None}, 403),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"content-type": None}, 415),
    ],
)
async def test_request_of_another_site_is_rejected(make_form, headers, status):
    assert (await ask(make_form(), headers))[0] == status


async def test_disabled_form_sends_nothing(make_form):
    status, message = await ask(make_form(http_form=False))
    assert (status, "CARTEIRO_HTTP_FORM" in message) == (404, True)


async def test_form_is_disabled_by_default():
    assert WorkerSettings().http_form is False


async def test_only_post_requests_are_sent(make_form):
    assert (await ask(make_form(), method="GET"))[0] == 405


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "is not {"),
        (b"[" * 100_000, "is not {"),
        (b'{"task": "chat"}', "is not {"),
        (json.dumps({"task": "chat", "value": "{}", "more": 1}).encode(), "is not {"),
        (json.dumps({"task": "nonsense", "value": "{}"}).encode(), "it has chat"),
        (json.dumps({"task": "chat", "value": "{"}).encode(), "is not JSON"),
        (json.dumps({"task": "chat", "value": "{}"}).encode(), "messages: is missing"),
        (b'{"task": "chat", "value": "\\ud800"}', "is not {"),
        (b"\xff\xfe", "is not {"),
    ],
)
async def test_invalid_body_is_rejected_with_the_reason(make_form, body, words):
    status, message = await ask(make_form(), body=body)
    assert status == 400
    assert words in message


async def test_body_size_is_limited(make_form):
    status, message = await ask(make_form(), chunks=[b" " * 1000] * (MAX_BODY_BYTES // 1000 + 2))
    assert (status, f"{MAX_BODY_BYTES:,}" in message) == (413, True)


async def test_missing_body_times_out(make_form, monkeypatch):
    monkeypatch.setattr(module, "_BODY_SECONDS", 0.01)
    assert (await ask(make_form(), never=True))[0] == 408


async def test_open_requests_are_limited_and_each_end_frees_a_slot(make_form):
    form = make_form()
    for _ in range(MAX_CONCURRENT_REQUESTS + 1):
        with pytest.raises(GuardPassed):
            await ask(form)
        assert (await ask(form, body=b""))[0] == 400
    form._open_requests = MAX_CONCURRENT_REQUESTS
    assert (await ask(form))[0] == 429
