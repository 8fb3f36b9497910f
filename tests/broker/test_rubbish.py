"""Whatever is dropped on a request topic gets an error reply that names the field, and the next request is served."""

import json

import pytest

from tests.broker.peer import Peer
from tests.conftest import eventually
from tests.provider import Provider

REQUESTS = "llm.generate.requests"

RUBBISH = {
    "malformed JSON": (b'{"prompt": "x"', "unreadable", "value", "is not JSON"),
    "an empty body": (b"", "unreadable", "value", "is empty"),
    "a tombstone": (None, "unreadable", "value", "is empty"),
    "blanks": (b" \n ", "unreadable", "value", "is empty"),
    "bytes that are not UTF-8": (b'{"prompt": "\xff"}', "unreadable", "value", "is not JSON"),
    "half a surrogate pair": (b'{"prompt": "\\ud800"}', "unreadable", "value", "is not JSON"),
    "brackets, deep": (b"[" * 100_000, "unreadable", "value", "is not JSON"),
    "a list": (b'[{"prompt": "x"}]', "invalid_request", "value", "object"),
    "a number": (b"7", "invalid_request", "value", "object"),
    "null": (b"null", "invalid_request", "value", "object"),
    "a field that is missing": (b"{}", "invalid_request", "prompt", "required"),
    "a field that is unknown": (b'{"prompt": "x", "promt": "y"}', "invalid_request", "promt", "Unknown field"),
    "a wrong type": (b'{"prompt": 5}', "invalid_request", "prompt", "string"),
    "a wrong type inside": (b'{"prompt": "x", "stop": ["a", 1]}', "invalid_request", "stop.1", "string"),
    "a number as text": (
        b'{"prompt":"x","options":{"temperature":"1"}}',
        "invalid_request",
        "options.temperature",
        "number",
    ),
    "a number too high": (
        b'{"prompt":"x","options":{"temperature":9}}',
        "invalid_request",
        "options.temperature",
        "less",
    ),
    "an unknown option": (b'{"prompt":"x","options":{"streem":true}}', "invalid_request", "options.streem", "Unknown"),
    "a blank text": (b'{"prompt": "  "}', "invalid_request", "prompt", "blank"),
    "a schema of no object": (
        b'{"prompt":"x","json_schema":{"type":"array"}}',
        "invalid_request",
        "json_schema",
        "object",
    ),
    "another model": (b'{"prompt":"x","options":{"model":"gpt-9"}}', "invalid_request", "options.model", "not served"),
    "a body of 2 MB": (json.dumps({"prompt": "x" * 2_000_000}).encode(), "too_large", "value", "2,000,"),
    "a name of 100 kB": (
        json.dumps({"prompt": "x", "y" * 100_000: 1}).encode(),
        "invalid_request",
        "y" * 200,
        "Unknown",
    ),
}


@pytest.mark.parametrize("name", RUBBISH)
async def test_rubbish(peer: Peer, provider: Provider, name: str):
    value, code, field, reason = RUBBISH[name]
    before = len(provider.requests)
    # To one partition, so that the request after it can only be served if this one is out of the way.
    reply, _ = await peer.ask(REQUESTS, value, key=b"k", partition=0)
    error = reply["error"]
    assert (reply["status"], error["code"], error["retryable"]) == ("error", code, False)
    assert error["fields"][0]["field"] == field
    assert reason.lower() in error["fields"][0]["reason"].lower()
    assert error["message"].startswith(f"{field}: ")
    assert len(provider.requests) == before, "rubbish was paid for"
    assert (await peer.ask(REQUESTS, {"prompt": "Next."}, partition=0))[0]["status"] == "ok"


async def test_a_schema_that_is_none_is_named(peer: Peer):
    for schema, part in (
        ({"type": "object", "properties": {"a": {"type": "integr"}}}, "properties.a.type"),
        ({"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:9/x.json"}}}, "127.0.0.1"),
    ):
        reply, _ = await peer.ask(REQUESTS, {"prompt": "x", "json_schema": schema})
        assert reply["error"]["code"] == "invalid_request"
        assert part in reply["error"]["message"]


async def test_many_wrong_fields_make_no_endless_reply(peer: Peer):
    reply, record = await peer.ask(REQUESTS, {"prompt": "x", **{f"field{i}": i for i in range(5000)}})
    assert len(reply["error"]["fields"]) == 20
    assert "4997 more" in reply["error"]["message"]
    assert len(record.value) < 10_000


async def test_values_are_not_repeated(peer: Peer):
    secret = "sk-this-is-a-secret"
    for body in ({"prompt": {"deep": secret}}, {"prompt": "x", "stop": secret}, {"prompt": "x", "options": secret}):
        _, record = await peer.ask(REQUESTS, body)
        assert secret.encode() not in record.value


CLOUD_EVENT = ("content-type", b"application/cloudevents+json")


@pytest.mark.parametrize(
    ("value", "headers", "more"),
    [
        (b'{"id": "\\ud800", "data": {"prompt": "x"}}', [CLOUD_EVENT], {}),
        ('{"id": "1", "data_base64": "é"}'.encode(), [CLOUD_EVENT], {}),
        (json.dumps({"id": "é" * 200_000, "data": {}}, ensure_ascii=False).encode(), [CLOUD_EVENT], {}),
        (b"{}", [("content-type", b"application/cloudevents" + b"x" * 600_000)], {}),
        (json.dumps({"prompt": "x", "json_schema": {"type": "object", "x": {"$ref": '"' * 400_000}}}).encode(), [], {}),
        (b"{}", [("timeout_ms", b"9999999999999")], {"timestamp_ms": 253_000_000_000_000}),
        (b"{}", [("reply_to", b"x" * 700_000)], {}),
    ],
    ids=["surrogate", "base64", "long id", "long type", "long schema", "far future", "long topic"],
)
async def test_what_is_meant_to_break_a_worker_gets_its_reply_too(peer: Peer, value, headers, more):
    before = len(peer.records)
    await peer.send(REQUESTS, value, headers, partition=0, **more)
    assert (await peer.ask(REQUESTS, {"prompt": "Next."}, partition=0))[0]["status"] == "ok"
    await eventually(lambda: len(peer.records) >= before + 2)


async def test_what_nobody_foresaw_still_gets_a_reply(peer: Peer, monkeypatch):
    def broken(_):
        raise ZeroDivisionError

    monkeypatch.setattr("carteiro.worker.serving.read_envelope", broken)
    sent = await peer.send(REQUESTS, b'{"prompt": "x"}', [("correlation_id", b"lost")])
    record = await peer.reply("correlation_id", f"{REQUESTS}/{sent.partition}/{sent.offset}".encode())
    assert json.loads(record.value)["error"]["code"] == "internal"
    monkeypatch.undo()
    assert (await peer.ask(REQUESTS, {"prompt": "Next."}))[0]["status"] == "ok"


async def test_a_key_and_headers_of_a_megabyte_still_get_a_reply(peer: Peer):
    sent = await peer.send(REQUESTS, b"{}", [("correlation_id", b"c" * 600_000)], key=b"k" * 600_000)
    record = await peer.reply("correlation_id", f"{REQUESTS}/{sent.partition}/{sent.offset}".encode())
    assert json.loads(record.value)["error"]["code"] == "invalid_request"


async def test_a_header_name_that_cannot_be_read_is_skipped(peer: Peer):
    """The last but one of three records of a partition; those around it are answered."""
    sent = [f"around {number}".encode() for number in range(2)]
    await peer.send(REQUESTS, b'{"prompt": "x"}', [("correlation_id", sent[0])], partition=0)
    await peer.send_with_bad_header_name(REQUESTS, 0)
    await peer.send(REQUESTS, b'{"prompt": "x"}', [("correlation_id", sent[1])], partition=0)
    for each in sent:
        assert json.loads((await peer.reply("correlation_id", each)).value)["status"] == "ok"
