"""What a model's failure becomes on the wire: every error code, and the next request is served."""

import json

import pytest

from carteiro.schemas import ERROR_CODES
from carteiro.wire.record import MAX_REQUEST_BYTES
from tests.broker.peer import Peer
from tests.broker.test_rubbish import RUBBISH
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
async def test_a_fault_that_is_the_request_s(peer: Peer, provider: Provider, fault: str):
    code, retryable = FAILURES[fault]
    provider.next(fault)
    reply, record = await peer.ask(REQUESTS, HELLO)
    assert (reply["error"]["code"], reply["error"]["retryable"]) == (code, retryable)
    assert b"Traceback" not in record.value
    assert b"sk-" not in record.value
    assert (await peer.ask(REQUESTS, HELLO))[0]["status"] == "ok"


@pytest.mark.parametrize("fault", PASSING)
async def test_a_fault_that_passes_is_tried_again(peer: Peer, provider: Provider, fault: str):
    before = len(provider.requests)
    provider.next(fault)
    assert (await peer.ask(REQUESTS, HELLO))[0]["status"] == "ok"
    assert len(provider.requests) >= before + 2


async def test_a_request_that_the_model_always_fails_at_is_given_up(peer: Peer, provider: Provider, broker):
    """The model answers the probe between the third try and the fourth, so it is the request's fault."""
    async with Peer(broker.address, "llm.generate.dead") as dead:
        provider.next("500", "500", "500")
        provider.say("yes")
        provider.next("500", "500")
        reply, _ = await peer.ask(REQUESTS, HELLO, [("x-mine", b"\xff")], key=b"k")
        assert (reply["error"]["code"], reply["error"]["retryable"]) == ("model_unavailable", True)
        letter = await dead.reply("kafka_dlt-original-topic", REQUESTS.encode())
    assert (letter.key, json.loads(letter.value), ("x-mine", b"\xff") in letter.headers) == (b"k", HELLO, True)
    headers = dict(letter.headers)
    assert (headers["carteiro_error_code"], headers["carteiro_tries"]) == (b"model_unavailable", b"5")
    assert reply["request_id"].split("/")[2] == str(int.from_bytes(headers["kafka_dlt-original-offset"], "big"))


async def test_a_completion_that_does_not_follow_the_schema(peer: Peer, provider: Provider):
    provider.next("length")
    reply, _ = await peer.ask(REQUESTS, {**HELLO, "json_schema": SCHEMA})
    assert reply["error"]["code"] == "invalid_output"
    assert "it was cut by the limit" in reply["error"]["message"]


async def test_a_completion_that_follows_the_schema(peer: Peer):
    reply, _ = await peer.ask(REQUESTS, {**HELLO, "json_schema": SCHEMA})
    assert isinstance(reply["result"]["data"]["n"], int)


async def test_a_reply_that_is_larger_than_the_broker_takes_becomes_an_error(peer: Peer):
    prompt = "x" * (MAX_REQUEST_BYTES - 14)  # the largest request there can be; its echo is larger by the envelope
    reply, _ = await peer.ask(REQUESTS, {"prompt": prompt})
    assert (reply["error"]["code"], reply["error"]["retryable"]) == ("too_large", False)
    assert "more than the reply topic takes" in reply["error"]["message"]


async def test_a_fault_of_our_own_names_no_internals(services, peer: Peer, monkeypatch, capfd):
    async def broken(*_):
        raise ZeroDivisionError("a detail of the inside")

    monkeypatch.setattr(services.model_of("generate"), "complete", broken)
    reply, record = await peer.ask(REQUESTS, HELLO)
    assert (reply["error"]["code"], reply["error"]["retryable"]) == ("internal", True)
    assert b"a detail" not in record.value
    assert reply["request_id"] in reply["error"]["message"]
    monkeypatch.undo()
    assert (await peer.ask(REQUESTS, HELLO))[0]["status"] == "ok"


def test_every_code_is_tested_somewhere_in_here():
    tested = {code for code, _ in FAILURES.values()} | {code for _, code, *_ in RUBBISH.values()}
    elsewhere = {"expired", "invalid_output", "internal", "unsupported", "model_unavailable", "over_budget"}
    # A rate limit is waited for, so nobody is told of one.
    assert tested | elsewhere | {"rate_limited"} == set(ERROR_CODES)
