"""Model errors on the wire: every error code, and the next request is served."""

import json

import pytest

from carteiro.schemas import ERROR_CODES
from carteiro.wire.record import MAX_REQUEST_BYTES
from tests.broker.raw_kafka_client import RawKafkaClient
from tests.broker.test_malformed_requests import INVALID_RECORDS
from tests.provider import Provider

REQUESTS = "llm.generate.requests"
HELLO = {"prompt": "Hello."}
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}

FAILURES = {
    "refusal": ("model_refused", False),
    "filter-prompt": ("content_filtered", False),
    "filter-completion": ("content_filtered", False),
    "context": ("too_large", False),
}
PASSING = ["401", "404", "429-ms", "quota", "500", "503", "cut", "hang", "not-json"]


@pytest.mark.parametrize("fault", FAILURES)
async def test_error_of_the_request_is_an_error_reply(peer: RawKafkaClient, provider: Provider, fault: str):
    code, retryable = FAILURES[fault]
    provider.next(fault)
    reply, record = await peer.ask(REQUESTS, HELLO)
    assert (reply["error"]["code"], reply["error"]["retryable"]) == (code, retryable)
    assert b"Traceback" not in record.value
    assert b"sk-" not in record.value
    assert (await peer.ask(REQUESTS, HELLO))[0]["status"] == "ok"


@pytest.mark.parametrize("fault", PASSING)
async def test_transient_error_is_tried_again(peer: RawKafkaClient, provider: Provider, fault: str):
    before = len(provider.requests)
    provider.next(fault)
    assert (await peer.ask(REQUESTS, HELLO))[0]["status"] == "ok"
    assert len(provider.requests) >= before + 2


async def test_request_that_always_fails_is_given_up(peer: RawKafkaClient, provider: Provider, broker):
    """The model answers the probe between the third try and the fourth, so only the request is at fault."""
    async with RawKafkaClient(broker.address, "llm.generate.dead") as dead:
        provider.next("500", "500", "500")
        provider.queue_completion("yes")
        provider.next("500", "500")
        reply, _ = await peer.ask(REQUESTS, HELLO, [("x-mine", b"\xff")], key=b"k")
        assert (reply["error"]["code"], reply["error"]["retryable"]) == ("model_unavailable", True)
        letter = await dead.reply("kafka_dlt-original-topic", REQUESTS.encode())
    assert (letter.key, json.loads(letter.value), ("x-mine", b"\xff") in letter.headers) == (b"k", HELLO, True)
    headers = dict(letter.headers)
    assert (headers["carteiro_error_code"], headers["carteiro_tries"]) == (b"model_unavailable", b"5")
    assert reply["request_id"].split("/")[2] == str(int.from_bytes(headers["kafka_dlt-original-offset"], "big"))


async def test_completion_that_does_not_follow_the_schema_is_an_error(peer: RawKafkaClient, provider: Provider):
    provider.next("length")
    reply, _ = await peer.ask(REQUESTS, {**HELLO, "json_schema": SCHEMA})
    assert reply["error"]["code"] == "invalid_output"
    assert "it was cut by the limit" in reply["error"]["message"]


async def test_completion_that_follows_the_schema_is_a_reply(peer: RawKafkaClient):
    reply, _ = await peer.ask(REQUESTS, {**HELLO, "json_schema": SCHEMA})
    assert isinstance(reply["result"]["data"]["n"], int)


async def test_reply_larger_than_the_broker_accepts_becomes_an_error(peer: RawKafkaClient):
    prompt = "x" * (MAX_REQUEST_BYTES - 14)  # The largest possible request. Its echo is larger by the envelope.
    reply, _ = await peer.ask(REQUESTS, {"prompt": prompt})
    assert (reply["error"]["code"], reply["error"]["retryable"]) == ("too_large", False)
    assert "more than the reply topic takes" in reply["error"]["message"]


async def test_internal_error_shows_no_internals(services, peer: RawKafkaClient, monkeypatch, capfd):
    async def broken(*_):
        raise ZeroDivisionError("a detail of the inside")

    monkeypatch.setattr(services._parts.chains["generate"].targets[0].model, "complete", broken)
    reply, record = await peer.ask(REQUESTS, HELLO)
    assert (reply["error"]["code"], reply["error"]["retryable"]) == ("internal", True)
    assert b"a detail" not in record.value
    assert reply["request_id"] in reply["error"]["message"]
    monkeypatch.undo()
    assert (await peer.ask(REQUESTS, HELLO))[0]["status"] == "ok"


def test_every_code_is_tested_in_this_module():
    tested = {code for code, _ in FAILURES.values()} | {code for _, code, *_ in INVALID_RECORDS.values()}
    elsewhere = {
        "expired",
        "invalid_output",
        "internal",
        "unsupported",
        "model_unavailable",
        "over_budget",
        "store_unavailable",
    }
    # A rate limit is waited for, so no caller gets this code.
    assert tested | elsewhere | {"rate_limited"} == set(ERROR_CODES)
