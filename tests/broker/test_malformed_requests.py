"""Every invalid record gets an error reply that names the field, and the next request is served."""

import json

import pytest

from tests.broker.raw_kafka_client import RawKafkaClient
from tests.conftest import eventually
from tests.provider import Provider
from tests.unit.wire.record_batches.batch_builder import ZSTD, encode_batch, wrap_payload

REQUESTS = "llm.generate.requests"

INVALID_RECORDS = {
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
    "a field that is missing": (b"{}", "invalid_request", "prompt", "is missing"),
    "a field that is unknown": (
        b'{"prompt": "x", "promt": "y"}',
        "invalid_request",
        "promt",
        "is not a field of this request",
    ),
    "a wrong type": (b'{"prompt": 5}', "invalid_request", "prompt", "must be a text"),
    "a wrong type inside": (b'{"prompt": "x", "stop": ["a", 1]}', "invalid_request", "stop.1", "must be a text"),
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
        "at most 2",
    ),
    "an unknown option": (
        b'{"prompt":"x","options":{"streem":true}}',
        "invalid_request",
        "options.streem",
        "not a field",
    ),
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
        "not a field",
    ),
}


@pytest.mark.parametrize("name", INVALID_RECORDS)
async def test_invalid_record_gets_an_error_reply(peer: RawKafkaClient, provider: Provider, name: str):
    value, code, field, reason = INVALID_RECORDS[name]
    before = len(provider.requests)
    # All go to one partition, so the next request is served only if this record is finished.
    reply, _ = await peer.ask(REQUESTS, value, key=b"k", partition=0)
    error = reply["error"]
    assert (reply["status"], error["code"], error["retryable"]) == ("error", code, False)
    assert error["fields"][0]["field"] == field
    assert reason.lower() in error["fields"][0]["reason"].lower()
    assert error["message"].startswith(f"{field}: ")
    assert len(provider.requests) == before, "an invalid record was paid for"
    assert (await peer.ask(REQUESTS, {"prompt": "Next."}, partition=0))[0]["status"] == "ok"


async def test_invalid_schema_is_named(peer: RawKafkaClient):
    for schema, part in (
        ({"type": "object", "properties": {"a": {"type": "integr"}}}, "properties.a.type"),
        ({"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:9/x.json"}}}, "outside itself"),
    ):
        reply, _ = await peer.ask(REQUESTS, {"prompt": "x", "json_schema": schema})
        assert reply["error"]["code"] == "invalid_request"
        assert part in reply["error"]["message"]


async def test_many_wrong_fields_give_a_short_reply(peer: RawKafkaClient):
    reply, record = await peer.ask(REQUESTS, {"prompt": "x", **{f"field{i}": i for i in range(5000)}})
    assert len(reply["error"]["fields"]) == 20
    assert "4997 more" in reply["error"]["message"]
    assert len(record.value) < 10_000


async def test_values_are_not_repeated(peer: RawKafkaClient):
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
async def test_hostile_request_gets_its_reply(peer: RawKafkaClient, value, headers, more):
    before = len(peer.records)
    await peer.send(REQUESTS, value, headers, partition=0, **more)
    assert (await peer.ask(REQUESTS, {"prompt": "Next."}, partition=0))[0]["status"] == "ok"
    await eventually(lambda: len(peer.records) >= before + 2)


async def test_unexpected_error_still_gets_a_reply(peer: RawKafkaClient, monkeypatch):
    def broken(_):
        raise ZeroDivisionError

    monkeypatch.setattr("carteiro.worker.handling.request_reader.read_envelope", broken)
    sent = await peer.send(REQUESTS, b'{"prompt": "x"}', [("correlation_id", b"lost")])
    record = await peer.reply("correlation_id", f"{REQUESTS}/{sent.partition}/{sent.offset}".encode())
    assert json.loads(record.value)["error"]["code"] == "internal"
    monkeypatch.undo()
    assert (await peer.ask(REQUESTS, {"prompt": "Next."}))[0]["status"] == "ok"


async def test_key_and_headers_of_a_megabyte_get_a_reply(peer: RawKafkaClient):
    sent = await peer.send(REQUESTS, b"{}", [("correlation_id", b"c" * 600_000)], key=b"k" * 600_000)
    request_id = f'"{REQUESTS}/{sent.partition}/{sent.offset}"'.encode()  # The reply cannot have an id of that size.
    await eventually(lambda: any(request_id in record.value for record in peer.records))
    (record,) = [record for record in peer.records if request_id in record.value]
    assert json.loads(record.value)["error"]["code"] == "invalid_request"


async def test_record_with_a_header_name_that_is_not_utf_8_is_answered(peer: RawKafkaClient):
    await peer.send_with_bad_header_name(REQUESTS, 0, b"strange")
    assert json.loads((await peer.reply("correlation_id", b"strange")).value)["status"] == "ok"
    assert (await peer.ask(REQUESTS, {"prompt": "Next."}, partition=0))[0]["status"] == "ok"


@pytest.mark.parametrize(
    "raw",
    [
        encode_batch([(b"k", b"{}", [])] * 3)[:-1] + b"x",
        wrap_payload(b"junk", 3, ZSTD),
        wrap_payload(b"\xff" * 100, 3),
    ],
    ids=["checksum", "zstd", "records"],
)
async def test_unreadable_batch_costs_no_other_request(peer: RawKafkaClient, raw: bytes):
    await peer.send_batch(REQUESTS, 0, raw)
    for partition in range(3):
        assert (await peer.ask(REQUESTS, {"prompt": "Next."}, partition=partition))[0]["status"] == "ok"
