"""Stored conversations."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.schemas.chat import ChatMessage
from carteiro.wire.conversation import (
    History,
    Turn,
    UnknownHistoryFormat,
    conversation_record,
    idempotency_fingerprint,
    read_history,
)
from carteiro.wire.envelope import Envelope, read_envelope
from tests.unit.wire.fake_record import FakeRecord

MESSAGES = st.builds(
    ChatMessage, role=st.sampled_from(["user", "assistant"]), content=st.text().map(lambda text: f"a{text}")
)
TURNS = st.builds(
    Turn,
    request_id=st.sampled_from(["a/0/1", "a/0/2"]),
    sending=st.none() | st.just("f"),
    messages=st.lists(MESSAGES, max_size=3).map(tuple),
)


def turn(number: int, sending: str | None = None) -> Turn:
    return Turn(request_id=f"a/0/{number}", sending=sending, messages=())


@given(history=st.builds(History, system=st.none() | st.text(), turns=st.lists(TURNS, max_size=3).map(tuple)))
def test_written_history_is_read_back(history: History) -> None:
    record = conversation_record("c", 1, b"id", history)
    assert (record.topic, record.partition, record.key, record.headers) == ("c", 1, b"id", [])
    assert record.value is not None
    assert read_history(record.value) == history


@pytest.mark.parametrize("value", [b"", b"not json", b"[]", json.dumps({"version": 2}).encode()])
def test_history_of_another_format_is_not_read(value: bytes) -> None:
    with pytest.raises(UnknownHistoryFormat):
        read_history(value)


def test_field_of_a_newer_version_is_ignored() -> None:
    assert read_history(b'{"version": 1, "later": true}') == History()


@pytest.mark.parametrize(
    ("request_id", "fingerprint", "before", "after"),
    [("a/0/2", None, [1], [3]), ("b/0/9", "f", [1, 2], []), ("b/0/9", None, [1, 2, 3], []), ("a/0/1", "f", [], [2, 3])],
)
def test_history_is_split_at_the_turn_of_the_request(
    request_id: str, fingerprint: str | None, before: list[int], after: list[int]
) -> None:
    history = History(turns=(turn(1), turn(2), turn(3, sending="f")))
    found = history.split_at(request_id, fingerprint)
    assert [[each.request_id for each in part] for part in found] == [
        [f"a/0/{number}" for number in numbers] for numbers in (before, after)
    ]


def envelope(*headers: tuple[str, bytes], value: bytes = b'{"text": "a"}', offset: int = 1) -> Envelope:
    return read_envelope(FakeRecord(headers=headers, value=value, offset=offset))


def test_fingerprint_is_shared_by_all_sendings_of_a_request() -> None:
    key = ("idempotency_key", b"k")
    first = idempotency_fingerprint(envelope(key))
    assert first == idempotency_fingerprint(envelope(key, offset=2))
    others = [envelope(key, value=b'{"text": "b"}'), envelope(("idempotency_key", b"l")), envelope()]
    assert first not in [idempotency_fingerprint(each) for each in others]
    assert idempotency_fingerprint(envelope()) is None
