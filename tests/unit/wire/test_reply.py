"""The record of a reply."""

from typing import Any

import pytest

from carteiro.wire.envelope import Envelope, read_envelope
from carteiro.wire.record import OutgoingRecord
from carteiro.wire.reply import reply_record
from tests.unit.wire.fake_record import FakeRecord


def read(*headers: tuple[str, bytes], **record: Any) -> Envelope:
    return read_envelope(FakeRecord(headers=headers, **record))


def reply(envelope: Envelope, **options: Any) -> OutgoingRecord:
    return reply_record(envelope, "summarize", b"{}", **{"topic": "t", "partition": 3, "trace": {}, **options})


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
