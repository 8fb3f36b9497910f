import json

from carteiro.wire.deferral import ORIGIN_HEADER, OriginalRecord, deferred_record, original_request
from carteiro.wire.envelope import read_envelope
from carteiro.wire.record import record_id

REQUEST = OriginalRecord(
    "llm.chat.requests",
    3,
    17,
    1_700_000_000_000,
    0,
    b"key",
    b'{"text": "x"}',
    [("timeout_ms", b"60000"), ("x", b"\xff")],
)


def deferred() -> OriginalRecord:
    record = deferred_record(REQUEST, "llm.chat.deferred")
    assert (record.topic, record.partition) == ("llm.chat.deferred", 3)
    return OriginalRecord(record.topic, 3, 99, 1_700_000_500_000, 1, record.key, record.value, record.headers)


def test_deferred_request_is_read_back_unchanged() -> None:
    assert original_request(deferred()) == REQUEST


def test_deadline_counts_from_the_original_timestamp() -> None:
    assert read_envelope(original_request(deferred())).deadline == read_envelope(REQUEST).deadline
    assert read_envelope(original_request(deferred())).request_id == "llm.chat.requests/3/17"


def test_deadline_of_a_request_without_a_usable_timestamp_does_not_move_with_each_read() -> None:
    request = OriginalRecord("llm.chat.requests", 3, 17, -1, 0, b"key", b"{}", [("timeout_ms", b"60000")])
    record = deferred_record(request, "llm.chat.deferred")
    read_back = [
        original_request(OriginalRecord(record.topic, 3, 99, at, 1, b"key", b"{}", record.headers))
        for at in (0, 10**12)
    ]
    assert read_envelope(read_back[0]).deadline == read_envelope(read_back[1]).deadline
    assert record_id(read_back[0]) == "llm.chat.requests/3/17"


def test_sender_cannot_claim_another_record_id() -> None:
    forged = OriginalRecord(
        "llm.chat.requests", 0, 1, 0, 0, None, b"{}", [(ORIGIN_HEADER, json.dumps(["other", 1, 2, 3, 0]).encode())]
    )
    record = deferred_record(forged, "w")
    assert (
        record_id(original_request(OriginalRecord("w", 0, 5, 0, 0, None, b"{}", record.headers)))
        == "llm.chat.requests/0/1"
    )


def test_record_without_its_origin_is_handled_as_its_own_request() -> None:
    for headers in ([], [(ORIGIN_HEADER, b"no JSON")], [(ORIGIN_HEADER, b'["a", "b"]')], [(ORIGIN_HEADER, b'"abcde"')]):
        record = OriginalRecord("llm.chat.deferred", 0, 5, 0, 0, None, b"{}", headers)
        assert original_request(record) is record
