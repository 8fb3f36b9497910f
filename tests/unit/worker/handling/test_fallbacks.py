"""The rules that replace the outcome of a request after a topic has rejected a record of it."""

from dataclasses import replace

import pytest
from aiokafka.errors import (
    InvalidTopicError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from carteiro.kafka.record_errors import InvalidRecordError
from carteiro.schemas.chat import ChatAnswer, ChatMessage, ChatRequest
from carteiro.wire.conversation import read_history
from carteiro.wire.envelope import read_envelope
from carteiro.worker.conversations.pending_turn import PendingTurn
from carteiro.worker.conversations.store import ConversationStore
from carteiro.worker.handling import fallbacks
from carteiro.worker.handling.reply_outcome import ReplyOutcome
from tests.unit.wire.fake_record import FakeRecord
from tests.unit.worker.conversations.test_store import FakeConversationTopic
from tests.unit.worker.handling.outcomes import (
    DEAD_LETTER,
    ERROR,
    INBOX,
    OK,
    RECORD,
    REPLIES,
    USAGE,
    content,
    make_deferral,
    make_outcome,
)

TOO_LARGE = MessageSizeTooLargeError()


async def open_turn(*earlier: str) -> PendingTurn:
    """Return the answered turn of a request after the earlier turns of its conversation."""
    store = ConversationStore(FakeConversationTopic(), 8000)  # type: ignore[arg-type]
    await store.load(2)
    for offset, text in enumerate([*earlier, "now"]):
        request = ChatRequest(conversation_id="key", messages=[ChatMessage(role="user", content=text)])
        envelope = read_envelope(FakeRecord(request.to_json(), (), b"key", "llm.chat.requests", 2, offset))
        turn = await store.open_turn(request, envelope, 2, None)  # type: ignore[arg-type]
        turn.set_answer(ChatAnswer(content=f"re {text}"))
        if text != "now":
            turn.on_queued()
            turn.on_acknowledged()
    return turn


def stored_texts(outcome: ReplyOutcome) -> list[str | None]:
    assert outcome.turn is not None
    assert outcome.records[0] is outcome.turn.record
    return [turn.messages[0].content for turn in read_history(outcome.turn.record.value or b"").turns]


def test_dead_letter_that_is_too_large_is_left_out() -> None:
    outcome = make_outcome(ERROR, dead_letter=DEAD_LETTER)
    assert fallbacks.without_dead_letter(outcome).records == [outcome.record]
    assert outcome.records == [outcome.record, DEAD_LETTER]


def test_reply_that_is_too_large_becomes_an_error_with_its_size_and_usage() -> None:
    outcome = make_outcome(topic=INBOX)
    replacement = fallbacks.shrink_reply(outcome)
    reply = content(replacement.record)
    assert reply["error"]["code"] == "too_large"
    assert f"{len(outcome.record.value or b''):,} bytes" in reply["error"]["message"]
    assert replacement.reply.usage == USAGE
    assert replacement.record.topic == INBOX
    assert outcome.reply is OK


def test_error_that_is_too_large_loses_the_key_but_not_the_correlation() -> None:
    replacement = fallbacks.shrink_error(make_outcome(ERROR, INBOX))
    assert (replacement.record.topic, replacement.record.key) == (REPLIES, None)
    assert dict(replacement.record.headers) == {"correlation_id": b"c-1", "content-type": b"application/json"}
    assert content(replacement.record)["error"]["code"] == "model_unavailable"


def test_error_with_too_large_correlation_headers_has_the_request_id_instead() -> None:
    headers = tuple((name, b"x" * 9000) for name in ("correlation_id", "idempotency_key"))
    replacement = fallbacks.shrink_error(make_outcome(ERROR, record=replace(RECORD, headers=headers)))
    assert dict(replacement.record.headers)["correlation_id"] == OK.request_id.encode()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (UnknownTopicOrPartitionError(), "there is no such topic any more"),
        (AssertionError(), "it has no such partition"),
        (TopicAuthorizationFailedError(), "this service may not write to it"),
        (InvalidRecordError(), "a compacted topic takes none without a key"),
        (TimeoutError(), "it takes nothing at present"),
    ],
)
def test_reply_that_the_callers_topic_rejects_becomes_an_error_on_the_default_topic(
    error: Exception, reason: str
) -> None:
    replacement = fallbacks.use_default_topic(make_outcome(topic=INBOX), error)
    assert replacement.record.topic == REPLIES
    reply = content(replacement.record)
    assert reply["error"]["code"] == "invalid_request"
    assert "'inbox' does not take the reply" in reply["error"]["message"]
    assert reason in reply["error"]["message"]
    assert replacement.reply.usage == USAGE


async def test_conversation_that_is_too_large_loses_its_oldest_turns() -> None:
    outcome = make_outcome(turn=await open_turn("one", "two"))
    shorter = fallbacks.shorten_conversation(outcome)
    assert shorter is not None
    assert stored_texts(outcome) == ["one", "two", "now"]
    assert stored_texts(shorter) == ["two", "now"]
    assert shorter.reply is OK


async def test_conversation_of_one_turn_cannot_be_shortened() -> None:
    assert fallbacks.shorten_conversation(make_outcome(turn=await open_turn())) is None


@pytest.mark.parametrize(
    ("error", "code"), [(TOO_LARGE, "too_large"), (TopicAuthorizationFailedError(), "unsupported")]
)
async def test_reply_whose_conversation_is_not_stored_becomes_an_error(error: Exception, code: str) -> None:
    outcome = make_outcome(turn=await open_turn("one"))
    replacement = fallbacks.reject_conversation(outcome, error)
    assert replacement.records == [replacement.record]
    assert content(replacement.record)["error"]["code"] == code
    assert replacement.reply.usage == USAGE


def test_deferral_to_a_topic_with_fewer_partitions_goes_to_any_partition() -> None:
    outcome = make_deferral()
    replacement = fallbacks.defer_to_any_partition(outcome)
    assert (outcome.record.partition, replacement.record.partition) == (2, None)
    assert replacement.record == replace(outcome.record, partition=None)


@pytest.mark.parametrize("error", [UnknownTopicOrPartitionError(), TOO_LARGE])
def test_deferral_that_is_rejected_becomes_an_error_for_the_caller(error: Exception) -> None:
    replacement = fallbacks.replace_deferral(make_deferral(), error)
    assert isinstance(replacement, ReplyOutcome)
    assert replacement.record.topic == INBOX
    reply = content(replacement.record)["error"]
    assert reply["code"] == "unsupported"
    assert type(error).__name__ in reply["message"]


def test_deferral_falls_back_to_any_partition_once() -> None:
    anywhere = fallbacks.replace_deferral(make_deferral(), AssertionError())
    assert anywhere.records[0].partition is None
    assert isinstance(anywhere.fall_back(anywhere.records[0], AssertionError()), ReplyOutcome)


@pytest.mark.parametrize("error", [TOO_LARGE, RecordListTooLargeError()])
def test_rejected_record_selects_the_rule(error: Exception) -> None:
    outcome = make_outcome(ERROR, dead_letter=DEAD_LETTER)
    no_dead_letter = fallbacks.replace_reply(outcome, DEAD_LETTER, error)
    assert no_dead_letter is not None
    assert (no_dead_letter.dead_letter, no_dead_letter.is_minimal) == (None, False)
    minimal = fallbacks.replace_reply(outcome, outcome.record, error)
    assert minimal is not None
    assert (minimal.dead_letter, minimal.is_minimal) == (DEAD_LETTER, True)
    smaller = fallbacks.replace_reply(make_outcome(), make_outcome().record, error)
    assert smaller is not None
    assert (smaller.reply.status, smaller.is_minimal) == ("error", False)


async def test_conversation_is_shortened_before_its_reply_becomes_an_error() -> None:
    outcome = make_outcome(turn=await open_turn("one"))
    shorter = fallbacks.replace_reply(outcome, outcome.records[0], TOO_LARGE)
    assert shorter is not None
    assert stored_texts(shorter) == ["now"]
    error = fallbacks.replace_reply(shorter, shorter.records[0], TOO_LARGE)
    assert error is not None
    assert error.reply.status == "error"


@pytest.mark.parametrize(
    ("outcome", "record", "error"),
    [
        (make_outcome(ERROR, dead_letter=DEAD_LETTER), DEAD_LETTER, InvalidTopicError()),
        (make_outcome(), make_outcome().record, TopicAuthorizationFailedError()),
        (fallbacks.shrink_error(make_outcome(ERROR)), fallbacks.shrink_error(make_outcome(ERROR)).record, TOO_LARGE),
    ],
    ids=["dead letter for a closed topic", "reply for a closed topic of our own", "minimal error"],
)
def test_record_that_only_an_operator_can_help_has_no_replacement(
    outcome: ReplyOutcome, record: object, error: Exception
) -> None:
    assert fallbacks.replace_reply(outcome, record, error) is None  # type: ignore[arg-type]
