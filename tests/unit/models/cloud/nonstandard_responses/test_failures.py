"""Unreadable answers, and failures that come with status 200."""

import json

import pytest

from carteiro.models.cloud import response_body
from carteiro.models.errors import RateLimited, Unavailable
from tests.unit.models.cloud.nonstandard_responses import PROMPT, answer_with, event_bytes, stream_chunks

pytestmark = pytest.mark.timeout(60)

MALFORMED = [b"", b"   ", b"null", b"5", b'"x"', b"\xe9\xe8", b"{" * 100_000, b"data: x\n\n", b"<html>"]


@pytest.mark.parametrize("malformed", MALFORMED, ids=lambda each: repr(each[:10]))
async def test_unreadable_answer_is_a_clear_failure(provider, model, malformed):
    for call in (model.complete(PROMPT), model.stream(PROMPT, lambda text: None)):
        provider._next.append(answer_with(malformed))
        with pytest.raises(Unavailable):
            await call


async def test_body_without_an_end_is_not_kept_for_ever(provider, model, monkeypatch):
    monkeypatch.setattr(response_body, "MAX_BODY_BYTES", 2**20)
    for call in (model.complete(PROMPT), model.stream(PROMPT, lambda text: None)):
        provider._next.append(answer_with(*[b": " + b"x" * 2**16 + b"\n"] * 20))
        with pytest.raises(Unavailable, match="larger than 1 MiB"):
            await call


ERRORS = [
    {"error": {"message": "Provider returned error", "code": 502}},
    {"error": "overloaded"},
    {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
    {"choices": [{"index": 0, "error": {"message": "x", "code": 502}, "finish_reason": "error"}]},
]


@pytest.mark.parametrize("error", ERRORS, ids=repr)
async def test_error_with_status_200(provider, model, error):
    provider._next.append(answer_with(json.dumps(error).encode()))
    with pytest.raises((Unavailable, RateLimited)):
        await model.complete(PROMPT)


# One stream for each model: a call after a refusal waits.
@pytest.mark.parametrize("form", ["event", "event after text", "line after text"])
@pytest.mark.parametrize("error", ERRORS, ids=repr)
async def test_error_in_a_stream(provider, api, model, error, form):
    half = stream_chunks(api, ["Lis", "bon."])[:2]
    sent = {
        "event": event_bytes([error]),
        "event after text": event_bytes([*half, error]),
        "line after text": event_bytes(half, done=False) + json.dumps(error).encode() + b"\n",
    }
    provider._next.append(answer_with(sent[form]))
    with pytest.raises((Unavailable, RateLimited)):
        await model.stream(PROMPT, lambda text: None)


@pytest.mark.parametrize("sent", [b"overloaded", b'{"message": "overloaded"}', b'{"code": 503}'])
async def test_event_named_error(provider, api, model, sent):
    half = event_bytes(stream_chunks(api, ["Lis", "bon."])[:2], done=False)
    provider._next.append(answer_with(half + b"event: error\ndata: " + sent + b"\n\n"))
    with pytest.raises(Unavailable):
        await model.stream(PROMPT, lambda text: None)
