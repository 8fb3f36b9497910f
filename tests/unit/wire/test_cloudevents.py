"""Requests and replies in CloudEvents."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from carteiro.wire.envelope import Envelope, read_envelope
from carteiro.wire.record import OutgoingRecord
from carteiro.wire.reply import EncodedReply, reply_record
from tests.unit.wire.fake_record import FakeRecord


def read(*headers: tuple[str, bytes], **record: Any) -> Envelope:
    return read_envelope(FakeRecord(headers=headers, **record))


def reply(
    envelope: Envelope, value: bytes = b'{"status": "ok"}', trace: Mapping[str, str] | None = None
) -> OutgoingRecord:
    return reply_record(envelope, "summarize", EncodedReply(value), topic="t", partition=None, trace=dict(trace or {}))


# The headers and the value that the CloudEvents Java SDK 4.0.1 writes in binary mode.
BINARY_EVENT = (
    ("ce_specversion", b"1.0"),
    ("ce_id", b"a3f2-\xc3\xa9"),
    ("ce_source", b"/orders"),
    ("ce_type", b"order.note"),
    ("ce_time", b"2026-01-01T00:00:00Z"),
    ("content-type", b"application/json"),
    ("ce_traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
)


def test_binary_cloudevent_is_answered_by_a_binary_cloudevent() -> None:
    envelope = read(*BINARY_EVENT)
    assert envelope.problems == ()
    assert envelope.correlation_id == "a3f2-é"
    assert envelope.trace["traceparent"].startswith("00-0af7")
    headers = dict(reply(envelope, trace=envelope.trace).headers)
    assert headers["ce_id"] == b"a3f2-\xc3\xa9"
    assert headers["ce_specversion"] == b"1.0"
    assert headers["ce_source"] == b"urn:carteiro:summarize"
    assert headers["ce_type"] == b"carteiro.summarize.reply"
    assert headers["content-type"] == b"application/json"
    assert headers["ce_traceparent"] == headers["traceparent"] == envelope.trace["traceparent"].encode()


@pytest.mark.parametrize(
    "content_type", [b"application/cloudevents+json", b"Application/CloudEvents+JSON; charset=UTF-8"]
)
@pytest.mark.parametrize(
    "data",
    [{"data": {"text": "Olá"}}, {"data_base64": "eyJ0ZXh0IjogIk9sXHUwMGUxIn0="}],
)
def test_structured_cloudevent_is_answered_by_a_structured_cloudevent(
    content_type: bytes, data: dict[str, Any]
) -> None:
    event = {"specversion": "1.0", "id": "7", "source": "/orders", "type": "order.note", **data}
    envelope = read(("content-type", content_type), value=json.dumps(event).encode())
    assert envelope.problems == ()
    assert json.loads(envelope.body) == {"text": "Olá"}
    record = reply(envelope)
    answer = json.loads(record.value or b"")
    assert (answer["id"], answer["type"], answer["data"]) == ("7", "carteiro.summarize.reply", {"status": "ok"})
    assert answer["source"] == "urn:carteiro:summarize"
    assert dict(record.headers)["content-type"].startswith(b"application/cloudevents+json")


@pytest.mark.parametrize("item", ['"😀"', '"é"', "1", '{"a":[1]}'])
def test_request_in_a_structured_cloudevent_does_not_grow(item: str) -> None:
    data = f"[{','.join([item] * 1000)}]".encode()
    envelope = read(("content-type", b"application/cloudevents+json"), value=b'{"id":"7","data":%b}' % data)
    assert json.loads(envelope.body) == json.loads(data)
    assert len(envelope.body) <= len(data)


@pytest.mark.parametrize(
    ("content_type", "value", "field"),
    [
        (b"application/cloudevents+json", b"not json", "value"),
        (b"application/cloudevents+json", b"[1]", "value"),
        (b"application/cloudevents+json", None, "value"),
        (b"application/cloudevents+json", b"\xff", "value"),
        (b"application/cloudevents+json", b"[" * 100_000, "value"),
        (b"application/cloudevents-batch+json", b"[]", "value"),
        (b"application/cloudevents+avro", b"x", "value"),
        (b"application/cloudevents+json", b'{"id": "1"}', "data"),
        (b"application/cloudevents+json", b'{"id": "1", "data_base64": "%%%"}', "data_base64"),
        (b"application/cloudevents+json", '{"id": "1", "data_base64": "é"}'.encode(), "data_base64"),
        (b"application/cloudevents+json", b'{"id": "\\ud800"}', "value"),
        (b"application/cloudevents+json", b'{"data": {}}', "id"),
        (b"application/cloudevents+json", b'{"id": 5, "data": {}}', "id"),
    ],
)
def test_invalid_cloudevent_is_named_with_the_reason(content_type: bytes, value: bytes | None, field: str) -> None:
    envelope = read(("content-type", content_type), value=value)
    assert [problem.field for problem in envelope.problems] == [field]
    record = reply(envelope, b'{"status": "error"}')
    assert json.loads(record.value or b"")["data"] == {"status": "error"}
    assert json.loads(record.value or b"")["id"]
