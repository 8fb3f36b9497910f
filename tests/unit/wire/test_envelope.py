"""What a request's headers say, and that none of them can do harm."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.wire.envelope import read_envelope
from carteiro.wire.reply import reply_record
from tests.unit.wire.record import FakeRecord


def read(*headers: tuple[str, bytes], **record):
    return read_envelope(FakeRecord(headers=headers, **record))


def reply_headers(envelope, trace=None) -> dict[str, bytes]:
    record = reply_record(envelope, "summarize", b'{"status": "ok"}', topic="t", partition=None, trace=trace or {})
    assert len(dict(record.headers)) == len(record.headers), "a header stands twice"
    return dict(record.headers)


def test_plain_json_without_headers_is_a_request():
    envelope = read()
    assert envelope.problems == ()
    assert envelope.body == b'{"text": "Hello."}'
    assert envelope.request_id == envelope.correlation_id == "llm.summarize.requests/2/17"
    assert (envelope.reply_topic, envelope.reply_partition, envelope.deadline, envelope.event) == (None,) * 4
    assert reply_headers(envelope) == {
        "correlation_id": b"llm.summarize.requests/2/17",
        "content-type": b"application/json",
    }


@pytest.mark.parametrize("name", ["correlation_id", "kafka_correlationId"])
@pytest.mark.parametrize("value", [b"abc-1", bytes(range(16)), b"\xff\x00\xfe", b"nul\x00inside"])
def test_correlation_is_echoed_byte_for_byte(name, value):
    assert reply_headers(read((name, value)))[name] == value


def test_every_kind_of_correlation_that_was_given_is_echoed():
    headers = reply_headers(read(("correlation_id", b"a"), ("kafka_correlationId", b"\x01" * 16)))
    assert headers["correlation_id"] == b"a"
    assert headers["kafka_correlationId"] == b"\x01" * 16


def test_an_empty_correlation_id_is_none():
    assert reply_headers(read(("correlation_id", b"")))["correlation_id"] == b"llm.summarize.requests/2/17"


def test_the_last_of_two_headers_of_one_name_counts():
    assert reply_headers(read(("correlation_id", b"first"), ("correlation_id", b"last")))["correlation_id"] == b"last"


def test_a_binary_correlation_id_is_readable_in_logs():
    assert read(("kafka_correlationId", bytes(range(16)))).correlation_id == "000102030405060708090a0b0c0d0e0f"
    assert read(("correlation_id", b"line\nbreak")).correlation_id == b"line\nbreak".hex()


def test_the_idempotency_key_is_echoed():
    assert reply_headers(read(("idempotency_key", b"\xffkey")))["idempotency_key"] == b"\xffkey"


def test_no_other_header_of_the_request_is_on_the_reply():
    java = [("__TypeId__", b"com.example.Request"), ("spring_json_header_types", b"{}"), ("x-mine", b"1")]
    assert set(reply_headers(read(*java))) == {"correlation_id", "content-type"}


def test_the_reply_has_the_request_key():
    envelope = read(key=b"\x00key")
    assert reply_record(envelope, "summarize", b"{}", topic="t", partition=3, trace={}).key == b"\x00key"


@pytest.mark.parametrize(
    ("headers", "topic", "partition"),
    [
        ([("reply_to", b"my.replies")], "my.replies", None),
        ([("kafka_replyTopic", b"spring.replies")], "spring.replies", None),
        ([("kafka_replyTopic", b"s"), ("kafka_replyPartition", b"\x00\x00\x00\x05")], "s", 5),
        ([("kafka_replyTopic", b"s"), ("kafka_replyPartition", b"12")], "s", 12),
        ([("kafka_replyTopic", b"s"), ("kafka_replyPartition", b"0012")], "s", 12),
        ([("kafka_replyTopic", b"s"), ("reply_to", b"mine")], "mine", None),
    ],
)
def test_where_the_reply_goes(headers, topic, partition):
    envelope = read(*headers)
    assert (envelope.reply_topic, envelope.reply_partition, envelope.problems) == (topic, partition, ())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("reply_to", b"nul\x00inside"),
        ("reply_to", b"\xff\xfe"),
        ("reply_to", b"has space"),
        ("reply_to", b""),
        ("reply_to", b"."),
        ("reply_to", b"x" * 250),
        ("kafka_replyTopic", b"a/b"),
        ("kafka_replyPartition", b"\xff\xff\xff\xff"),
        ("kafka_replyPartition", b"three"),
        ("kafka_replyPartition", b"-1"),
        ("kafka_replyPartition", b"\x00\x05"),
        ("deadline", b"tomorrow"),
        ("deadline", b"2026-01-01T00:00:00"),
        ("deadline", b"2026-01-01T00:00:00Z\x00"),
        ("deadline", b"\xff"),
        ("timeout_ms", b"soon"),
        ("timeout_ms", b"-5"),
        ("timeout_ms", b"1.5"),
        ("timeout_ms", b"9" * 40),
    ],
)
def test_a_header_that_cannot_be_read_is_named_with_the_reason(name, value):
    (problem,) = read((name, value)).problems
    assert problem.field == f"header {name}"
    assert problem.reason


def test_deadline_and_timeout():
    assert read(("deadline", b"2026-01-01T01:00:00+01:00")).deadline == datetime(2026, 1, 1, tzinfo=UTC)
    assert read(("timeout_ms", b"1500")).deadline == datetime(2026, 1, 1, 0, 0, 1, 500_000, UTC)
    both = read(("deadline", b"2026-01-01T00:00:09Z"), ("timeout_ms", b"5000"))
    assert both.deadline == datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC)


def test_a_timeout_from_a_time_far_away_is_no_deadline():
    envelope = read(("timeout_ms", b"9999999999999"), timestamp=253_000_000_000_000)
    assert (envelope.deadline, envelope.problems) == (None, ())


def test_trace_context_is_taken_and_what_is_not_ascii_is_none():
    traceparent = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert read(("traceparent", traceparent), ("tracestate", b"a=1")).trace == {
        "traceparent": traceparent.decode(),
        "tracestate": "a=1",
    }
    assert read(("traceparent", b"\xff\xff")).trace == {}


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


def test_a_binary_cloudevent_is_answered_by_one():
    envelope = read(*BINARY_EVENT)
    assert envelope.problems == ()
    assert envelope.correlation_id == "a3f2-é"
    assert envelope.trace["traceparent"].startswith("00-0af7")
    headers = reply_headers(envelope, envelope.trace)
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
def test_a_structured_cloudevent_is_answered_by_one(content_type, data):
    event = {"specversion": "1.0", "id": "7", "source": "/orders", "type": "order.note", **data}
    envelope = read(("content-type", content_type), value=json.dumps(event).encode())
    assert envelope.problems == ()
    assert json.loads(envelope.body) == {"text": "Olá"}
    record = reply_record(envelope, "summarize", b'{"status": "ok"}', topic="t", partition=None, trace={})
    reply = json.loads(record.value)
    assert (reply["id"], reply["type"], reply["data"]) == ("7", "carteiro.summarize.reply", {"status": "ok"})
    assert reply["source"] == "urn:carteiro:summarize"
    assert dict(record.headers)["content-type"].startswith(b"application/cloudevents+json")


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
        (b"application/cloudevents+json", b'{"id": "\\ud800"}', "data"),
        (b"application/cloudevents+json", b'{"data": {}}', "id"),
        (b"application/cloudevents+json", b'{"id": 5, "data": {}}', "id"),
    ],
)
def test_a_cloudevent_that_is_none_is_named_with_the_reason(content_type, value, field):
    envelope = read(("content-type", content_type), value=value)
    assert [problem.field for problem in envelope.problems] == [field]
    record = reply_record(envelope, "summarize", b'{"status": "error"}', topic="t", partition=None, trace={})
    assert json.loads(record.value)["data"] == {"status": "error"}
    assert json.loads(record.value)["id"]


names = st.sampled_from(
    [
        "correlation_id",
        "kafka_correlationId",
        "kafka_replyTopic",
        "kafka_replyPartition",
        "reply_to",
        "deadline",
        "timeout_ms",
        "idempotency_key",
        "traceparent",
        "tracestate",
        "content-type",
        "ce_id",
        "ce_traceparent",
        "x",
    ]
)
values = st.one_of(
    st.none(),
    st.binary(max_size=40),
    st.sampled_from([b"application/cloudevents+json", b"1", b"9999999999999", b"a.b", b"\x00\x00\x00\x01"]),
)


@given(
    st.lists(st.tuples(names, values), max_size=8),
    st.one_of(
        st.none(),
        st.binary(max_size=60),
        st.builds(
            lambda x: json.dumps(x).encode(),
            st.recursive(
                st.none() | st.text() | st.just("\ud800"),
                lambda inner: st.dictionaries(st.sampled_from(["id", "data", "data_base64", "traceparent"]), inner),
            ),
        ),
    ),
    st.integers(-(2**63), 2**63 - 1),
)
def test_no_record_of_any_kind_raises(headers, value, timestamp):
    envelope = read(*headers, value=value, timestamp=timestamp)
    record = reply_record(envelope, "chat", b'{"status": "ok"}', topic="t", partition=None, trace={})
    assert all(isinstance(value, bytes) for _, value in record.headers)
    assert record.value
