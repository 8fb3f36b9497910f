"""The record of a reply."""

from typing import Any

import pytest

from carteiro.schemas import ErrorDetail, ErrorReply
from carteiro.wire.envelope import Envelope, read_envelope
from carteiro.wire.record import OutgoingRecord
from carteiro.wire.reply import JSON_REPLIES, EncodedReply, reply_record
from tests.unit.wire.fake_record import FakeRecord


def read(*headers: tuple[str, bytes], **record: Any) -> Envelope:
    return read_envelope(FakeRecord(headers=headers, **record))


def reply(envelope: Envelope, **options: Any) -> OutgoingRecord:
    return reply_record(
        envelope, "summarize", EncodedReply(b"{}"), **{"topic": "t", "partition": 3, "trace": {}, **options}
    )


def test_reply_has_the_request_key_and_its_own_place() -> None:
    record = reply(read(key=b"\x00key"))
    assert (record.topic, record.partition, record.key, record.value) == ("t", 3, b"\x00key", b"{}")


def test_no_other_header_of_the_request_is_on_the_reply() -> None:
    java = [("__TypeId__", b"com.example.Request"), ("spring_json_header_types", b"{}"), ("x-mine", b"1")]
    assert {name for name, _ in reply(read(*java)).headers} == {"correlation_id", "content-type"}


def test_trace_context_is_on_the_reply() -> None:
    assert ("traceparent", b"00-1") in reply(read(), trace={"traceparent": "00-1"}).headers


@pytest.mark.parametrize(("final", "expected"), [(True, b"true"), (False, b"false")])
def test_record_of_a_stream_has_its_number(final: bool, expected: bytes) -> None:
    headers = dict(reply(read(), seq=7, final=final).headers)
    assert (headers["seq"], headers["final"]) == (b"7", expected)
    assert "seq" not in dict(reply(read()).headers)


def test_reply_is_json_by_default() -> None:
    error = ErrorReply(task="t", request_id="r", error=ErrorDetail(code="internal", message="m", retryable=True))
    assert JSON_REPLIES.encode(error) == EncodedReply(error.model_dump_json().encode(), b"application/json", ())


def test_encoded_reply_brings_its_headers() -> None:
    encoded = EncodedReply(b"\x00", b"application/avro", (("__value_schema_id", b"\x01"),))
    record = reply_record(read(), "t", encoded, topic="t", partition=None, trace={})
    assert record.value == b"\x00"
    assert dict(record.headers)["content-type"] == b"application/avro"
    assert dict(record.headers)["__value_schema_id"] == b"\x01"
    event = reply_record(read(("ce_id", b"1")), "t", encoded, topic="t", partition=None, trace={})
    assert [value for name, value in event.headers if name == "content-type"] == [b"application/avro"]
