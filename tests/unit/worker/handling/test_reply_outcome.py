"""The outcome of a request that has a reply: its records, and what happens when they are acknowledged."""

from dataclasses import FrozenInstanceError
from typing import Any
from unittest.mock import Mock

import pytest
from structlog.testing import capture_logs

from carteiro.schemas.reply import ReplySchema
from carteiro.wire.record import OutgoingRecord
from carteiro.wire.reply import EncodedReply
from carteiro.worker.conversations.pending_turn import PendingTurn
from carteiro.worker.handling.reply_outcome import ReplyOutcome
from carteiro.worker.handling.reply_router import ReplyAddress
from carteiro.worker.journal.request_journal import RequestJournal
from carteiro.worker.observability import metrics
from tests.unit.worker.handling.outcomes import DEAD, DEAD_LETTER, ERROR, INBOX, OK, REPLIES, content, make_outcome
from tests.unit.worker.journal.fake_writer import FakeWriter

STORED = OutgoingRecord("llm.chat.conversations", 0, b"key", b"{}", ())


@pytest.fixture
def turn() -> Any:
    return Mock(spec=PendingTurn, record=STORED)


def counted(metric: Any, code: str) -> float:
    return float(metrics.labelled(metric, "generate", code)._value.get())


def test_outcome_never_changes() -> None:
    with pytest.raises(FrozenInstanceError):
        make_outcome().reply = ERROR  # type: ignore[misc]


def test_conversation_goes_first_and_the_dead_letter_last(turn: Any) -> None:
    outcome = make_outcome(turn=turn, dead_letter=DEAD_LETTER)
    assert outcome.records == [STORED, outcome.record, DEAD_LETTER]


def test_streamed_reply_has_its_number_and_its_trace() -> None:
    headers = dict(make_outcome(seq=4, trace={"traceparent": "00-1"}).record.headers)
    assert (headers["seq"], headers["final"], headers["traceparent"]) == (b"4", b"true", b"00-1")


def test_only_a_reply_for_another_topic_is_custom() -> None:
    assert make_outcome().custom_record is None
    outcome = make_outcome(topic=INBOX)
    assert outcome.custom_record is outcome.record


def test_unreadable_request_gets_a_minimal_reply_on_the_default_topic() -> None:
    outcome = ReplyOutcome(ERROR, None, ReplyAddress(INBOX), REPLIES)
    assert (outcome.record.topic, outcome.record.key) == (REPLIES, None)
    assert dict(outcome.record.headers)["correlation_id"] == OK.request_id.encode()
    assert content(outcome.record)["error"]["code"] == "model_unavailable"


class BinaryEncoder:
    """Format of replies with a schema."""

    def encode(self, reply: ReplySchema) -> EncodedReply:
        return EncodedReply(b"\x00binary", b"application/avro", (("__value_schema_id", b"\x01"),))


@pytest.mark.parametrize("is_minimal", [False, True])
def test_every_reply_has_the_format_of_its_request(is_minimal: bool) -> None:
    record = make_outcome(ERROR, encoder=BinaryEncoder(), is_minimal=is_minimal).record
    headers = dict(record.headers)
    assert (record.value, headers["content-type"], headers["__value_schema_id"]) == (
        b"\x00binary",
        b"application/avro",
        b"\x01",
    )


def test_turn_is_pending_once_the_reply_is_queued_and_stored_once_it_is_acknowledged(turn: Any) -> None:
    outcome = make_outcome(turn=turn)
    outcome.on_queued()
    assert [name for name, *_ in turn.method_calls] == ["on_queued"]
    outcome.on_acknowledged()
    assert [name for name, *_ in turn.method_calls] == ["on_queued", "on_acknowledged"]


def test_queued_error_ends_the_turn_and_stores_nothing(turn: Any) -> None:
    outcome = make_outcome(ERROR, turn=turn)
    assert outcome.records == [outcome.record]
    outcome.on_queued()
    outcome.on_acknowledged()
    assert [name for name, *_ in turn.method_calls] == ["discard"]


def test_acknowledged_reply_is_logged_and_counted() -> None:
    before, span = counted(metrics.REPLIES, "ok"), Mock()
    with capture_logs() as logs:
        make_outcome(span=span).on_acknowledged()
    assert counted(metrics.REPLIES, "ok") == before + 1
    span.end.assert_called_once_with()
    (line,) = logs
    assert line["event"] == "answered"
    ids = {"task": "generate", "request_id": OK.request_id, "correlation_id": "c-1"}
    assert line.items() >= (ids | {"model": "test:model", "input_tokens": 2, "queue_ms": 1, "work_ms": 2}).items()


def test_acknowledged_error_is_logged_and_counted_with_its_dead_letter() -> None:
    code = "model_unavailable"
    replies, dead = counted(metrics.REPLIES, code), counted(metrics.DEAD_LETTERS, code)
    with capture_logs() as logs:
        make_outcome(ERROR, dead_letter=DEAD_LETTER).on_acknowledged()
    assert (counted(metrics.REPLIES, code), counted(metrics.DEAD_LETTERS, code)) == (replies + 1, dead + 1)
    (line,) = logs
    assert (line["code"], line["reason"], line["dead_letter"]) == (code, "it is down", DEAD)


def test_message_that_may_quote_the_caller_is_not_logged() -> None:
    reply = ERROR.model_copy(update={"error": ERROR.error.model_copy(update={"code": "invalid_request"})})
    with capture_logs() as logs:
        make_outcome(reply).on_acknowledged()
    assert "reason" not in logs[0]


@pytest.mark.parametrize(
    ("reply", "dead_letter", "deleted"),
    [
        (OK, None, True),
        (ERROR, None, True),
        (ERROR, DEAD_LETTER, False),
        (ERROR.model_copy(update={"error": ERROR.error.model_copy(update={"code": "internal"})}), DEAD_LETTER, True),
    ],
    ids=["ok", "error", "redrivable", "fault"],
)
async def test_calls_are_deleted_unless_a_redrive_may_need_them(reply: Any, dead_letter: Any, deleted: bool) -> None:
    writer = FakeWriter()
    partition = writer.next_owner()
    partition.write(b"17/" + b"0" * 32, b"{}")
    journal = RequestJournal(partition, 17, 17, 0)
    outcome = make_outcome(reply, dead_letter=dead_letter, journal=journal)
    assert (outcome.cleanup is journal) is deleted
    outcome.on_acknowledged()
    assert (partition.entries(17) == {}) is deleted
