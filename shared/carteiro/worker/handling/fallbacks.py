"""The replacements of outcomes whose records a topic rejects. Each rule is a function that returns a new outcome."""

from dataclasses import replace
from typing import TYPE_CHECKING

import structlog
from aiokafka.errors import TopicAuthorizationFailedError, UnknownTopicOrPartitionError

from carteiro.kafka.record_errors import TOO_LARGE, InvalidRecordError
from carteiro.wire.record import OutgoingRecord
from carteiro.worker.handling import error_replies as errors
from carteiro.worker.handling.reply_router import fallback_address

if TYPE_CHECKING:  # the outcomes call these rules
    from carteiro.worker.handling.deferred_outcome import DeferredOutcome
    from carteiro.worker.handling.reply_outcome import ReplyOutcome

log = structlog.get_logger("carteiro.worker")

_REASONS: dict[type[Exception], str] = {
    UnknownTopicOrPartitionError: "there is no such topic any more",
    AssertionError: "it has no such partition",
    TopicAuthorizationFailedError: "this service may not write to it",
    InvalidRecordError: "it takes no record like this one; a compacted topic takes none without a key",
}


def replace_reply(outcome: "ReplyOutcome", record: OutgoingRecord, error: Exception) -> "ReplyOutcome | None":
    """Return the replacement of a reply after a topic has rejected one of its records; None without one."""
    is_too_large = isinstance(error, TOO_LARGE)
    if record == outcome.dead_letter:
        return without_dead_letter(outcome) if is_too_large else None
    if outcome.is_minimal:
        return None
    if outcome.stored_turn is not None and record == outcome.stored_turn.record:
        shorter = shorten_conversation(outcome) if is_too_large else None
        return shorter or reject_conversation(outcome, error)
    if is_too_large:
        if outcome.reply.status == "error":
            return shrink_error(outcome)
        can_be_stored = outcome.bucket is not None and outcome.stored_result is None
        return replace(outcome, is_oversized=True) if can_be_stored else shrink_reply(outcome)
    return use_default_topic(outcome, error) if outcome.custom_record is not None else None


def without_dead_letter(outcome: "ReplyOutcome") -> "ReplyOutcome":
    """Leave out a dead letter that is too large for its topic."""
    assert outcome.dead_letter is not None
    log.error("a dead letter is too large to keep", **outcome.log_fields, topic=outcome.dead_letter.topic)
    return replace(outcome, dead_letter=None)


def shorten_conversation(outcome: "ReplyOutcome") -> "ReplyOutcome | None":
    """Remove the oldest turns of a conversation that is too large. Return None if it has no other turn."""
    assert outcome.turn is not None
    shorter = outcome.turn.shortened()
    return None if shorter is None else replace(outcome, turn=shorter)


def reject_conversation(outcome: "ReplyOutcome", error: Exception) -> "ReplyOutcome":
    """Replace a reply whose conversation cannot be stored by an error. The stored conversation stays unchanged."""
    assert outcome.turn is not None
    fields = outcome.log_fields | {"topic": outcome.turn.record.topic, "reason": repr(error)}
    log.error("the topic does not take a conversation", **fields)
    reply, envelope, too_large = outcome.reply, outcome.known_envelope, isinstance(error, TOO_LARGE)
    not_stored = errors.conversation_not_stored(reply.task, envelope, reply.usage, too_large=too_large)
    return replace(outcome, reply=not_stored)


def shrink_reply(outcome: "ReplyOutcome") -> "ReplyOutcome":
    """Replace a reply that is too large by a `too_large` error."""
    reply, size = outcome.reply, len(outcome.record.value or b"")
    too_large = errors.too_large(reply.task, outcome.known_envelope, size, reply.usage)
    return replace(outcome, reply=too_large, is_oversized=False, stored_result=None)


def shrink_error(outcome: "ReplyOutcome") -> "ReplyOutcome":
    """Remove the echoed key, CloudEvent and headers from an error that is too large."""
    return replace(outcome, is_minimal=True)


def use_default_topic(outcome: "ReplyOutcome", error: Exception) -> "ReplyOutcome":
    """Replace a reply that the caller's topic rejects by an error on the task's own topic."""
    reason = _REASONS.get(type(error), "it takes nothing at present")
    address = fallback_address(
        outcome.default_reply_topic, f"{outcome.record.topic!r} does not take the reply: {reason}"
    )
    assert address.problem is not None
    reply = outcome.reply
    undeliverable = errors.undeliverable(reply.task, outcome.known_envelope, address.problem, reply.usage)
    return replace(outcome, reply=undeliverable, address=address)


def replace_deferral(outcome: "DeferredOutcome", error: Exception) -> "DeferredOutcome | ReplyOutcome":
    """Return the replacement of a deferral that the topic of deferred requests rejects."""
    if isinstance(error, AssertionError) and outcome.record.partition is not None:
        return defer_to_any_partition(outcome)
    log.error("a request cannot be deferred", request_id=outcome.envelope.request_id, reason=repr(error))
    return outcome.refused(type(error).__name__)


def defer_to_any_partition(outcome: "DeferredOutcome") -> "DeferredOutcome":
    """Let the producer choose the partition: the topic has fewer partitions than the topic of requests."""
    return replace(outcome, record=replace(outcome.record, partition=None))
