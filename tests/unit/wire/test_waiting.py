import json

from carteiro.wire.envelope import read_envelope
from carteiro.wire.record import place
from carteiro.wire.waiting import ORIGIN_HEADER, Dropped, dropped, set_aside

REQUEST = Dropped(
    "llm.chat.requests",
    3,
    17,
    1_700_000_000_000,
    0,
    b"key",
    b'{"text": "x"}',
    [("timeout_ms", b"60000"), ("x", b"\xff")],
)


def kept() -> Dropped:
    record = set_aside(REQUEST, "llm.chat.waiting")
    assert (record.topic, record.partition) == ("llm.chat.waiting", 3)
    return Dropped(record.topic, 3, 99, 1_700_000_500_000, 1, record.key, record.value, record.headers)


def test_a_request_that_was_set_aside_is_read_back_as_it_was() -> None:
    assert dropped(kept()) == REQUEST


def test_its_deadline_counts_from_when_it_was_dropped() -> None:
    assert read_envelope(dropped(kept())).deadline == read_envelope(REQUEST).deadline
    assert read_envelope(dropped(kept())).request_id == "llm.chat.requests/3/17"


def test_a_sender_cannot_name_another_place() -> None:
    forged = Dropped(
        "llm.chat.requests", 0, 1, 0, 0, None, b"{}", [(ORIGIN_HEADER, json.dumps(["other", 1, 2, 3, 0]).encode())]
    )
    record = set_aside(forged, "w")
    assert place(dropped(Dropped("w", 0, 5, 0, 0, None, b"{}", record.headers))) == "llm.chat.requests/0/1"


def test_a_record_that_does_not_say_where_it_comes_from_is_served_as_it_is() -> None:
    for headers in ([], [(ORIGIN_HEADER, b"rubbish")], [(ORIGIN_HEADER, b'["a", "b"]')], [(ORIGIN_HEADER, b'"abcde"')]):
        record = Dropped("llm.chat.waiting", 0, 5, 0, 0, None, b"{}", headers)
        assert dropped(record) is record
