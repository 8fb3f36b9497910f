"""Dead letters: the written record, the record that is read back, and the redriven request."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.wire.dead_letter import DeadLetter, dead_letter_record, first_offset, read_dead_letter, redrive_record
from carteiro.wire.envelope import read_envelope
from carteiro.wire.record import Headers, OutgoingRecord
from tests.unit.wire.fake_record import FakeRecord

DEAD = "llm.summarize.dead"
REQUESTS = "llm.summarize.requests"
AT = datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)
BYTES = st.binary(max_size=12)
NAMES = st.sampled_from(
    [
        "x",
        "deadline",
        "correlation_id",
        "carteiro_redrives",
        "carteiro_tries",
        "carteiro_dead_at",
        "carteiro_error_code",
    ]
) | st.sampled_from(["topic", "partition", "offset", "timestamp", "consumer-group"]).map("kafka_dlt-original-{}".format)


def dead_letter_of(record: FakeRecord, **changes) -> OutgoingRecord:
    how = {"group": "carteiro-summarize", "reason": "it is down", "code": "model_unavailable", "tries": 5, "at": AT}
    return dead_letter_record(record, DEAD, **how | changes)


def read_back(record: OutgoingRecord, **changes) -> FakeRecord:
    """Return the record as it is read again."""
    position = {"partition": 1, "offset": 3, "timestamp": 1_767_400_000_000} | changes
    return FakeRecord(topic=record.topic, key=record.key, value=record.value, headers=tuple(record.headers), **position)


def letter_with(*headers: tuple[str, bytes]) -> DeadLetter:
    return read_dead_letter(FakeRecord(topic=DEAD, headers=headers))


def test_letter_is_the_request_with_springs_headers_in_springs_encodings():
    headers = (("x", b"\xff"), ("reply_to", b"inbox"), ("x", b"again"), ("deadline", b"soon"))
    letter = dead_letter_of(FakeRecord(headers=headers, key=b"k", timestamp_type=1))
    assert (letter.topic, letter.partition, letter.key, letter.value) == (DEAD, None, b"k", b'{"text": "Hello."}')
    assert letter.headers == [
        *headers,
        ("kafka_dlt-original-topic", b"llm.summarize.requests"),
        ("kafka_dlt-original-partition", b"\0\0\0\2"),
        ("kafka_dlt-original-offset", b"\0\0\0\0\0\0\0\x11"),
        ("kafka_dlt-original-timestamp", (1_767_225_600_000).to_bytes(8, "big")),
        ("kafka_dlt-original-timestamp-type", b"LogAppendTime"),
        ("kafka_dlt-original-consumer-group", b"carteiro-summarize"),
        ("kafka_dlt-exception-fqcn", b"carteiro.ModelUnavailable"),
        ("kafka_dlt-exception-message", b"it is down"),
        ("carteiro_error_code", b"model_unavailable"),
        ("carteiro_tries", b"5"),
        ("carteiro_dead_at", b"2026-01-02T03:04:05.678Z"),
    ]


@pytest.mark.parametrize(
    ("key", "value", "sent"), [(b"k", None, None), (None, b"", b""), (None, None, b""), (b"", None, None)]
)
def test_tombstones_and_records_without_a_key_survive(key, value, sent):
    # Aiokafka sends no record that has neither a key nor a value.
    letter = dead_letter_of(FakeRecord(key=key, value=value))
    assert (letter.key, letter.value) == (key, sent)
    again = redrive_record(read_dead_letter(read_back(letter)), REQUESTS)
    assert (again.key, again.value) == (key, sent)


def test_written_letter_is_read_back():
    zone = timezone(timedelta(hours=-3))
    record = dead_letter_of(
        FakeRecord(headers=(("correlation_id", b"order-7"),)), at=AT.astimezone(zone), reason="é \ud800"
    )
    letter = read_dead_letter(read_back(record))
    assert letter.id == f"{DEAD}/1/3"
    assert (letter.dead_at, letter.code, letter.exception_class) == (
        AT,
        "model_unavailable",
        "carteiro.ModelUnavailable",
    )
    assert (letter.reason, letter.tries, letter.redrive_count, letter.correlation_id) == ("é ?", 5, 0, "order-7")
    assert letter.origin
    assert letter.origin.request_id == f"{REQUESTS}/2/17"
    assert (letter.origin.timestamp, letter.origin.timestamp_type) == (1_767_225_600_000, "CreateTime")
    assert letter.origin.group == "carteiro-summarize"


def test_springs_letter_is_read_and_the_first_of_two_origins_counts():
    letter = letter_with(
        ("kafka_dlt-original-topic", b"orders"),
        ("kafka_dlt-original-partition", b"\0\0\0\1"),
        ("kafka_dlt-original-offset", b"\0\0\0\0\0\0\0\5"),
        ("kafka_dlt-exception-fqcn", b"org.springframework.kafka.listener.ListenerExecutionFailedException"),
        ("kafka_dlt-exception-message", b"Listener failed"),
        ("kafka_dlt-original-topic", b"orders-retry"),
        ("kafka_dlt-original-partition", b"\0\0\0\0"),
    )
    assert letter.origin
    assert letter.origin.request_id == "orders/1/5"
    assert (letter.origin.timestamp, letter.origin.group) == (None, None)
    assert (letter.code, letter.tries, letter.reason) == (None, None, "Listener failed")
    assert letter.dead_at == datetime(2026, 1, 1, tzinfo=UTC), "the record's own timestamp"


def test_record_without_origin_headers_can_be_redriven():
    letter = letter_with()
    assert (letter.origin, letter.code, letter.reason, letter.redrive_count) == (None, None, None, 0)
    again = redrive_record(letter, REQUESTS)
    assert (again.topic, again.partition, again.headers) == (REQUESTS, None, [("carteiro_redrives", b"1")])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kafka_dlt-original-partition", b"\0\1"),
        ("kafka_dlt-original-partition", b"\xff\xff\xff\xff"),
        ("kafka_dlt-original-offset", b"17"),
        ("carteiro_redrives", b"\xff"),
        ("carteiro_redrives", b"9" * 5000),
        ("carteiro_tries", b""),
        ("carteiro_dead_at", b"yesterday"),
        ("carteiro_dead_at", b"2026-01-01T00:00:00"),
        ("carteiro_error_code", b"\xff"),
    ],
)
def test_unreadable_header_counts_as_missing(name, value):
    letter = letter_with(("kafka_dlt-original-topic", b"t"), (name, value))
    assert letter.origin
    assert letter.origin.request_id is None
    assert (letter.redrive_count, letter.tries, letter.dead_at) == (0, None, datetime(2026, 1, 1, tzinfo=UTC))


def test_redriven_request_has_no_dead_letter_headers():
    headers = (
        ("x", b"\xff"),
        ("timeout_ms", b"5"),
        ("deadline", b"2020-01-01T00:00:00Z"),
        ("idempotency_key", b"once"),
    )
    letter = read_dead_letter(
        read_back(dead_letter_of(FakeRecord(headers=(*headers, ("correlation_id", b"7")), key=b"k")))
    )
    again = redrive_record(letter, REQUESTS)
    assert (again.topic, again.partition, again.key, again.value) == (REQUESTS, 2, b"k", b'{"text": "Hello."}')
    assert [name for name, _ in again.headers] == [
        "x",
        "timeout_ms",
        "idempotency_key",
        "correlation_id",
        "kafka_dlt-original-topic",
        "kafka_dlt-original-partition",
        "kafka_dlt-original-offset",
        "kafka_dlt-original-timestamp",
        "kafka_dlt-original-timestamp-type",
        "kafka_dlt-original-consumer-group",
        "carteiro_redrives",
    ]
    assert again.headers[:2] == [("x", b"\xff"), ("timeout_ms", b"5")]
    assert again.headers[-1] == ("carteiro_redrives", b"1")


def test_second_dead_letter_keeps_the_first_origin_and_has_the_newest_reason():
    again = redrive_record(read_dead_letter(read_back(dead_letter_of(FakeRecord()))), REQUESTS)
    second = dead_letter_of(
        read_back(again, partition=2, offset=99),
        code="internal",
        reason="it crashed",
        tries=1,
        at=AT + timedelta(days=1),
    )
    names = [name for name, _ in second.headers]
    assert len(names) == len(set(names))
    letter = read_dead_letter(read_back(second))
    assert letter.origin
    assert letter.origin.request_id == f"{REQUESTS}/2/17"
    assert (letter.code, letter.exception_class, letter.reason) == ("internal", "carteiro.Internal", "it crashed")
    assert (letter.tries, letter.dead_at, letter.redrive_count) == (1, AT + timedelta(days=1), 1)
    assert redrive_record(letter, REQUESTS).headers[-1] == ("carteiro_redrives", b"2")


def test_springs_older_exceptions_go_and_its_origins_stay():
    spring: Headers = [
        ("kafka_dlt-original-topic", b"orders"),
        ("kafka_dlt-exception-fqcn", b"java.lang.Exception"),
        ("kafka_dlt-exception-stacktrace", b"java.lang.Exception: ..."),
        ("kafka_dlt-original-topic", b"orders-retry"),
    ]
    letter = dead_letter_of(FakeRecord(headers=tuple(spring)))
    assert letter.headers[:3] == [spring[0], spring[3], ("kafka_dlt-exception-fqcn", b"carteiro.ModelUnavailable")]


def test_incomplete_origin_counts_as_missing():
    letter = read_dead_letter(
        read_back(dead_letter_of(FakeRecord(headers=(("kafka_dlt-original-offset", b"\0" * 8),))))
    )
    assert letter.origin
    assert letter.origin.request_id == f"{REQUESTS}/2/17"


def test_no_header_leads_a_redrive_to_another_topic():
    letter = read_dead_letter(
        read_back(dead_letter_of(FakeRecord(headers=(("kafka_dlt-original-topic", b"payments"),))))
    )
    again = redrive_record(letter, REQUESTS)
    assert (again.topic, again.partition) == (REQUESTS, None)


@pytest.mark.parametrize(
    ("headers", "correlation_id"),
    [
        ((), f"{REQUESTS}/2/17"),
        ((("correlation_id", b""),), f"{REQUESTS}/2/17"),
        ((("correlation_id", b"order-7"),), "order-7"),
        ((("kafka_correlationId", bytes(15) + b"\x07"),), "0" * 31 + "7"),
        ((("ce_id", b"event-7"),), "event-7"),
    ],
)
def test_reply_to_a_redriven_request_has_the_first_request_id(headers, correlation_id):
    first = FakeRecord(headers=headers)
    again = redrive_record(read_dead_letter(read_back(dead_letter_of(first))), REQUESTS)
    second = read_envelope(read_back(again, partition=0, offset=1000))
    assert read_envelope(first).correlation_id == second.correlation_id == correlation_id
    # A second redrive.
    third = redrive_record(read_dead_letter(read_back(dead_letter_of(read_back(again)))), REQUESTS)
    assert read_envelope(read_back(third)).correlation_id == correlation_id
    assert sum(name == "correlation_id" for name, _ in third.headers) == sum(
        name == "correlation_id" for name, _ in again.headers
    )


def test_reply_echoes_no_dead_letter_header():
    letter = read_dead_letter(read_back(dead_letter_of(FakeRecord(headers=(("correlation_id", b"7"),)))))
    envelope = read_envelope(read_back(redrive_record(letter, REQUESTS)))
    assert envelope.echo_headers == (("correlation_id", b"7"),)
    assert envelope.problems == ()


def test_header_without_a_value_does_no_harm():
    # Java's clients send such headers. The client library returns them as None.
    record = FakeRecord(headers=(("x", None), ("kafka_dlt-original-topic", None), ("carteiro_tries", None)))  # type: ignore[arg-type]
    letter = dead_letter_of(record)
    assert letter.headers[0] == ("x", None)
    again = read_dead_letter(read_back(letter))
    assert again.origin
    assert again.origin.topic == REQUESTS
    assert read_dead_letter(replace(record, topic=DEAD)).origin is None


@given(st.lists(st.tuples(NAMES, BYTES), max_size=8), st.none() | BYTES, st.none() | BYTES)
def test_no_record_of_any_kind_raises(headers, key, value):
    letter = read_dead_letter(read_back(dead_letter_of(FakeRecord(headers=tuple(headers), key=key, value=value))))
    assert letter.code == "model_unavailable"
    assert (letter.tries, letter.dead_at) == (5, AT)
    again = redrive_record(letter, REQUESTS)
    assert redrive_record(read_dead_letter(read_back(again)), REQUESTS).headers[-1] == (
        "carteiro_redrives",
        b"%d" % (letter.redrive_count + 2),
    )


def test_redriven_request_names_the_offset_of_its_first_record():
    first = FakeRecord(offset=17, partition=2)
    redriven = redrive_record(read_dead_letter(read_back(dead_letter_of(first))), REQUESTS)
    assert first_offset(first) == 17
    assert first_offset(read_back(redriven, partition=2, offset=99)) == 17
    assert first_offset(read_back(redriven, partition=1, offset=99)) == 99
    assert first_offset(read_back(redriven, partition=2, offset=5)) == 5
    assert first_offset(replace(read_back(redriven, partition=2, offset=99), topic="other")) == 99
    headers = tuple(each for each in redriven.headers if each[0] != "carteiro_redrives")
    assert first_offset(replace(read_back(redriven, partition=2, offset=99), headers=headers)) == 99
