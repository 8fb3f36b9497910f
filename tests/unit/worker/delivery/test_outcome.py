"""An unreadable record leaves nothing but its finished offset."""

from aiokafka.errors import MessageSizeTooLargeError

from carteiro.wire.record import OutgoingRecord
from carteiro.worker.delivery.outcome import NoReplyOutcome


def test_outcome_without_a_reply_publishes_nothing_and_has_no_fallback() -> None:
    outcome = NoReplyOutcome()
    outcome.on_queued()
    outcome.on_acknowledged()
    assert (outcome.records, outcome.custom_record, outcome.creates_topic) == ((), None, False)
    assert not outcome.fall_back(OutgoingRecord("t", None, None, b"", ()), MessageSizeTooLargeError())
