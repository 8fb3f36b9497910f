"""Dead letters: what is written, what is read back, and the request that is sent once more."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.wire.dead_letter import DeadLetter, dead_letter, read_dead_letter, redriven
from carteiro.wire.envelope import read_envelope
from carteiro.wire.record import Headers, OutgoingRecord
from tests.unit.wire.record import FakeRecord

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


def given_up(record: FakeRecord, **changes) -> OutgoingRecord:
    how = {"group": "carteiro-summarize", "reason": "it is down", "code": "model_unavailable", "tries": 5, "at": AT}
    return dead_letter(record, DEAD, **how | changes)


def stored(record: OutgoingRecord, **changes) -> FakeRecord:
    """The record as it is read again."""
    place = {"partition": 1, "offset": 3, "timestamp": 1_767_400_000_000} | changes
    return FakeRecord(topic=record.topic, key=record.key, value=record.value, headers=tuple(record.headers), **place)


def read(*headers: tuple[str, bytes]) -> DeadLetter:
    return read_dead_letter(FakeRecord(topic=DEAD, headers=headers))


def test_a_letter_is_the_request_with_springs_headers_in_springs_encodings():
    headers = (("x", b"\xff"), ("reply_to", b"inbox"), ("x", b"again"), ("deadline", b"soon"))
    letter = given_up(FakeRecord(headers=headers, key=b"k", timestamp_type=1))
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
    # aiokafka sends no record that has neither.
    letter = given_up(FakeRecord(key=key, value=value))
    assert (letter.key, letter.value) == (key, sent)
    again = redriven(read_dead_letter(stored(letter)), REQUESTS)
    assert (again.key, again.value) == (key, sent)


def test_what_is_written_is_read():
    zone = timezone(timedelta(hours=-3))
    record = given_up(FakeRecord(headers=(("correlation_id", b"order-7"),)), at=AT.astimezone(zone), reason="é \ud800")
    letter = read_dead_letter(stored(record))
    assert letter.id == f"{DEAD}/1/3"
    assert (letter.at, letter.code, letter.exception) == (AT, "model_unavailable", "carteiro.ModelUnavailable")
    assert (letter.reason, letter.tries, letter.redrives, letter.correlation_id) == ("é ?", 5, 0, "order-7")
    assert letter.origin
    assert letter.origin.request_id == f"{REQUESTS}/2/17"
    assert (letter.origin.timestamp, letter.origin.timestamp_type) == (1_767_225_600_000, "CreateTime")
    assert letter.origin.group == "carteiro-summarize"


def test_springs_own_letter_is_read_and_of_two_origins_the_first_is_the_true_one():
    letter = read(
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
    assert letter.at == datetime(2026, 1, 1, tzinfo=UTC), "the record's own timestamp"


def test_a_record_that_says_nothing_of_itself_can_be_redriven():
    letter = read()
    assert (letter.origin, letter.code, letter.reason, letter.redrives) == (None, None, None, 0)
    again = redriven(letter, REQUESTS)
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
def test_a_header_that_cannot_be_read_is_as_good_as_none(name, value):
    letter = read(("kafka_dlt-original-topic", b"t"), (name, value))
    assert letter.origin
    assert letter.origin.request_id is None
    assert (letter.redrives, letter.tries, letter.at) == (0, None, datetime(2026, 1, 1, tzinfo=UTC))


def test_a_redriven_request_is_the_request_without_its_death():
    headers = (
        ("x", b"\xff"),
        ("timeout_ms", b"5"),
        ("deadline", b"2020-01-01T00:00:00Z"),
        ("idempotency_key", b"once"),
    )
    letter = read_dead_letter(stored(given_up(FakeRecord(headers=(*headers, ("correlation_id", b"7")), key=b"k"))))
    again = redriven(letter, REQUESTS)
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


def test_a_second_death_keeps_the_first_origin_and_tells_the_newest_reason():
    again = redriven(read_dead_letter(stored(given_up(FakeRecord()))), REQUESTS)
    second = given_up(
        stored(again, partition=2, offset=99), code="internal", reason="it crashed", tries=1, at=AT + timedelta(days=1)
    )
    names = [name for name, _ in second.headers]
    assert len(names) == len(set(names))
    letter = read_dead_letter(stored(second))
    assert letter.origin
    assert letter.origin.request_id == f"{REQUESTS}/2/17"
    assert (letter.code, letter.exception, letter.reason) == ("internal", "carteiro.Internal", "it crashed")
    assert (letter.tries, letter.at, letter.redrives) == (1, AT + timedelta(days=1), 1)
    assert redriven(letter, REQUESTS).headers[-1] == ("carteiro_redrives", b"2")


def test_springs_older_exceptions_go_and_its_origins_stay_as_they_were():
    spring: Headers = [
        ("kafka_dlt-original-topic", b"orders"),
        ("kafka_dlt-exception-fqcn", b"java.lang.Exception"),
        ("kafka_dlt-exception-stacktrace", b"java.lang.Exception: ..."),
        ("kafka_dlt-original-topic", b"orders-retry"),
    ]
    letter = given_up(FakeRecord(headers=tuple(spring)))
    assert letter.headers[:3] == [spring[0], spring[3], ("kafka_dlt-exception-fqcn", b"carteiro.ModelUnavailable")]


def test_half_an_origin_is_none():
    letter = read_dead_letter(stored(given_up(FakeRecord(headers=(("kafka_dlt-original-offset", b"\0" * 8),)))))
    assert letter.origin
    assert letter.origin.request_id == f"{REQUESTS}/2/17"


def test_no_header_leads_a_redrive_to_another_topic():
    letter = read_dead_letter(stored(given_up(FakeRecord(headers=(("kafka_dlt-original-topic", b"payments"),)))))
    again = redriven(letter, REQUESTS)
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
def test_the_reply_to_a_redriven_request_is_known_as_the_first_one_was(headers, correlation_id):
    first = FakeRecord(headers=headers)
    again = redriven(read_dead_letter(stored(given_up(first))), REQUESTS)
    second = read_envelope(stored(again, partition=0, offset=1000))
    assert read_envelope(first).correlation_id == second.correlation_id == correlation_id
    # and once more
    third = redriven(read_dead_letter(stored(given_up(stored(again)))), REQUESTS)
    assert read_envelope(stored(third)).correlation_id == correlation_id
    assert sum(name == "correlation_id" for name, _ in third.headers) == sum(
        name == "correlation_id" for name, _ in again.headers
    )


def test_a_reply_echoes_nothing_of_it():
    letter = read_dead_letter(stored(given_up(FakeRecord(headers=(("correlation_id", b"7"),)))))
    envelope = read_envelope(stored(redriven(letter, REQUESTS)))
    assert envelope.echo == (("correlation_id", b"7"),)
    assert envelope.problems == ()


def test_a_header_without_a_value_does_no_harm():
    # Java's clients send such; the client library hands them over as None.
    record = FakeRecord(headers=(("x", None), ("kafka_dlt-original-topic", None), ("carteiro_tries", None)))  # type: ignore[arg-type]
    letter = given_up(record)
    assert letter.headers[0] == ("x", None)
    again = read_dead_letter(stored(letter))
    assert again.origin
    assert again.origin.topic == REQUESTS
    assert read_dead_letter(replace(record, topic=DEAD)).origin is None


@given(st.lists(st.tuples(NAMES, BYTES), max_size=8), st.none() | BYTES, st.none() | BYTES)
def test_no_record_of_any_kind_raises(headers, key, value):
    letter = read_dead_letter(stored(given_up(FakeRecord(headers=tuple(headers), key=key, value=value))))
    assert letter.code == "model_unavailable"
    assert (letter.tries, letter.at) == (5, AT)
    again = redriven(letter, REQUESTS)
    assert redriven(read_dead_letter(stored(again)), REQUESTS).headers[-1] == (
        "carteiro_redrives",
        b"%d" % (letter.redrives + 2),
    )
