"""The headers of a request. No header can do harm."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.wire.envelope import add_duration, read_envelope
from carteiro.wire.reply import EncodedReply, reply_record
from tests.unit.wire.fake_record import FakeRecord


def read(*headers: tuple[str, bytes], **record):
    return read_envelope(FakeRecord(headers=headers, **record))


def reply_headers(envelope, trace=None) -> dict[str, bytes]:
    record = reply_record(
        envelope, "summarize", EncodedReply(b'{"status": "ok"}'), topic="t", partition=None, trace=trace or {}
    )
    assert len(dict(record.headers)) == len(record.headers), "a header stands twice"
    return dict(record.headers)


def test_plain_json_without_headers_is_a_request():
    envelope = read()
    assert envelope.problems == ()
    assert envelope.body == b'{"text": "Hello."}'
    assert envelope.request_id == envelope.correlation_id == "llm.summarize.requests/2/17"
    assert (envelope.reply_topic, envelope.reply_partition, envelope.deadline, envelope.event) == (None,) * 4
    assert set(reply_headers(envelope)) == {"correlation_id", "content-type"}


def test_default_correlation_id_cannot_be_guessed():
    first, second = (reply_headers(read())["correlation_id"] for _ in range(2))
    assert first != second
    assert len(first) >= 32
    assert b"llm.summarize.requests" not in first


@pytest.mark.parametrize("name", ["correlation_id", "kafka_correlationId"])
@pytest.mark.parametrize("value", [b"abc-1", bytes(range(16)), b"\xff\x00\xfe", b"nul\x00inside"])
def test_correlation_is_echoed_byte_for_byte(name, value):
    assert reply_headers(read((name, value)))[name] == value


def test_every_given_kind_of_correlation_is_echoed():
    headers = reply_headers(read(("correlation_id", b"a"), ("kafka_correlationId", b"\x01" * 16)))
    assert headers["correlation_id"] == b"a"
    assert headers["kafka_correlationId"] == b"\x01" * 16


def test_empty_correlation_id_counts_as_missing():
    assert len(reply_headers(read(("correlation_id", b"")))["correlation_id"]) >= 32


def test_last_of_two_headers_with_one_name_counts():
    assert reply_headers(read(("correlation_id", b"first"), ("correlation_id", b"last")))["correlation_id"] == b"last"


def test_binary_correlation_id_is_readable_in_logs():
    assert read(("kafka_correlationId", bytes(range(16)))).correlation_id == "000102030405060708090a0b0c0d0e0f"
    assert read(("correlation_id", b"line\nbreak")).correlation_id == b"line\nbreak".hex()


def test_idempotency_key_is_echoed():
    assert reply_headers(read(("idempotency_key", b"\xffkey")))["idempotency_key"] == b"\xffkey"


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
def test_reply_topic_and_partition_come_from_the_headers(headers, topic, partition):
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
def test_unreadable_header_is_named_with_the_reason(name, value):
    (problem,) = read((name, value)).problems
    assert problem.field == f"header {name}"
    assert problem.reason


def test_deadline_and_timeout_are_read():
    assert read(("deadline", b"2026-01-01T01:00:00+01:00")).deadline == datetime(2026, 1, 1, tzinfo=UTC)
    assert read(("timeout_ms", b"1500")).deadline == datetime(2026, 1, 1, 0, 0, 1, 500_000, UTC)
    both = read(("deadline", b"2026-01-01T00:00:09Z"), ("timeout_ms", b"5000"))
    assert both.deadline == datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC)


def test_timeout_from_a_far_timestamp_gives_no_deadline():
    assert add_duration(datetime(9999, 1, 1, tzinfo=UTC), timedelta(days=400)) is None
    assert read(("timeout_ms", b"9999999999999"), timestamp=253_000_000_000_000).problems == ()


NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "timestamp",
    [-1, 0, 1_767_225_600, -(2**63), 2**63 - 1, 253_402_300_800_000, round(NOW.timestamp() * 1000) + 120_000],
    ids=["none", "epoch", "seconds", "least", "most", "year 10000", "producer two minutes fast"],
)
def test_timeout_counts_from_arrival_if_the_timestamp_is_implausible(timestamp):
    envelope = read_envelope(FakeRecord(headers=(("timeout_ms", b"1000"),), timestamp=timestamp), NOW)
    assert envelope.sent_at == NOW
    assert envelope.deadline == NOW + timedelta(seconds=1)
    assert not envelope.clock_hint


def test_producer_clock_is_named_and_the_broker_clock_is_trusted():
    slow = round(NOW.timestamp() * 1000) - 120_000
    by_producer = read_envelope(FakeRecord(timestamp=slow), NOW)
    assert "producer's clock" in by_producer.clock_hint
    assert read_envelope(FakeRecord(timestamp=slow, timestamp_type=1), NOW).clock_hint == ""


@pytest.mark.parametrize("name", ["correlation_id", "kafka_correlationId", "idempotency_key"])
def test_header_that_is_too_long_to_echo_is_rejected_and_not_echoed(name):
    envelope = read((name, b"x" * 1_000_000))
    (problem,) = envelope.problems
    assert problem.field == f"header {name}"
    assert "1,000,000 bytes" in problem.reason
    assert sum(len(value) for value in reply_headers(envelope).values()) < 200
    assert len(envelope.correlation_id) <= 200


def test_key_that_is_too_long_to_echo_is_rejected_and_not_echoed():
    envelope = read(key=b"x" * 1_000_000)
    assert [problem.field for problem in envelope.problems] == ["key"]
    assert envelope.key is None


def test_event_id_that_is_too_long_to_echo_is_rejected_and_not_echoed():
    long = "x" * 1_000_000
    structured = json.dumps({"specversion": "1.0", "id": long, "data": {"text": "x"}}).encode()
    for envelope in (
        read(("ce_id", long.encode())),
        read(("content-type", b"application/cloudevents+json"), value=structured),
    ):
        assert len(envelope.problems) == 1
        record = reply_record(
            envelope, "chat", EncodedReply(b'{"status": "ok"}'), topic="t", partition=None, trace=envelope.trace
        )
        assert len(record.value or b"") + sum(len(value) for _, value in record.headers) < 2000


def test_long_correlation_id_is_shortened_in_logs_and_whole_on_the_reply():
    envelope = read(("correlation_id", b"x" * 5000))
    assert len(envelope.correlation_id) == 200
    assert reply_headers(envelope)["correlation_id"] == b"x" * 5000


@pytest.mark.parametrize("state", [b"a=1\nFAKE log line", b"a=1\x1b[2J", b"a=\xff", b"x" * 513, b"\x00"], ids=repr)
def test_tracestate_with_unprintable_or_non_ascii_characters_is_ignored(state):
    traceparent = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    in_headers = read(("traceparent", traceparent), ("tracestate", state))
    in_event = read(("ce_id", b"1"), ("ce_traceparent", traceparent), ("ce_tracestate", state))
    assert in_headers.trace == in_event.trace == {"traceparent": traceparent.decode()}


@pytest.mark.parametrize("parent", [b"00-0af7", b"00-" + b"x" * 200, b"a\nb"], ids=repr)
def test_trace_context_without_a_valid_parent_is_ignored(parent):
    assert read(("traceparent", parent), ("tracestate", b"a=1")).trace == {}


def test_trace_context_is_read_and_non_ascii_values_are_ignored():
    traceparent = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert read(("traceparent", traceparent), ("tracestate", b"a=1")).trace == {
        "traceparent": traceparent.decode(),
        "tracestate": "a=1",
    }
    assert read(("traceparent", b"\xff\xff")).trace == {}


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
    record = reply_record(envelope, "chat", EncodedReply(b'{"status": "ok"}'), topic="t", partition=None, trace={})
    assert all(isinstance(value, bytes) for _, value in record.headers)
    assert record.value
