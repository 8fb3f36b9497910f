"""Outcomes: the records to publish for a served request."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

from carteiro.wire.record import OutgoingRecord


class Cleanup(Protocol):
    """Deletion of what was kept for a request until its reply is committed.

    It never delays a reply: if the topic does not take the records, they are left out.
    """

    @property
    def tombstones(self) -> Sequence[OutgoingRecord]:
        """Records without a value, for the transaction that commits the reply, or to be sent after its commit."""

    def on_failed(self, error: Exception) -> None:
        """Record that the topic does not take the records. `tombstones` is then empty for a while."""


class Outcome(ABC):
    """A request's reply and, if there is one, its dead letter. All of its records are published, or no record is.

    An outcome never changes. If a topic rejects one of its records, another outcome replaces it.
    """

    @property
    @abstractmethod
    def records(self) -> Sequence[OutgoingRecord]:
        """Records to publish."""

    @property
    @abstractmethod
    def custom_record(self) -> OutgoingRecord | None:
        """The record for a caller's topic, or for another topic that may be missing; None if there is no such record.

        Its topic must not delay other outcomes.
        """

    @property
    def cleanup(self) -> Cleanup | None:
        """Deletion of what was kept for the request; None if nothing is deleted."""
        return None

    @property
    def can_wait(self) -> bool:
        """True if nobody waits for the records: they may be delivered with those of the next outcomes."""
        return False

    @property
    def creates_topic(self) -> bool:
        """True if the topic of `custom_record` is Carteiro's own, so the broker may create it on a metadata request."""
        return False

    @abstractmethod
    def fall_back(self, record: OutgoingRecord, error: Exception) -> "Outcome | None":
        """Return the outcome that replaces this one after a topic has rejected `record`; None if there is no other."""

    async def prepare(self) -> "Outcome":
        """Return the outcome to deliver in place of this one, if `fall_back` could not complete it at once.

        A delivery waits for it before it sends the records of a replacement.
        """
        return self

    @abstractmethod
    def on_queued(self) -> None:
        """React to being queued for delivery, also as the replacement of another outcome.

        From now on only the end of the lane, or a replacement, can prevent the delivery.
        """

    @abstractmethod
    def on_acknowledged(self) -> None:
        """React to the broker's acknowledgement of all records."""


class NoReplyOutcome(Outcome):
    """Outcome of an unreadable record: the record is finished, and nothing is published."""

    @property
    def records(self) -> Sequence[OutgoingRecord]:
        return ()

    @property
    def custom_record(self) -> None:
        return None

    def fall_back(self, record: OutgoingRecord, error: Exception) -> None:
        """No-op: nothing is published, so nothing is rejected."""

    def on_queued(self) -> None:
        pass

    def on_acknowledged(self) -> None:
        pass
