"""What a served request leaves to be published."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from aiokafka.errors import (
    BrokerResponseError,
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    InvalidTxnState,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    ProducerFenced,
    RecordListTooLargeError,
    TransactionalIdAuthorizationFailed,
)

from carteiro.wire.record import OutgoingRecord

TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)

_ABOUT_THE_PRODUCER = (
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    InvalidTxnState,
    OutOfOrderSequenceNumber,
    ProducerFenced,
    TransactionalIdAuthorizationFailed,
)


class Outcome(ABC):
    """A request's reply, with its dead letter where it has one. They are published together or not at all."""

    @property
    @abstractmethod
    def records(self) -> Sequence[OutgoingRecord]:
        """What is to be published."""

    @property
    @abstractmethod
    def elsewhere(self) -> bool:
        """Whether a record goes to a topic of the caller's choice."""

    @abstractmethod
    def refused(self, record: OutgoingRecord, error: Exception) -> bool:
        """A topic does not take one of the records, now or later. Puts others in their place, and returns whether
        there are any to put there."""

    @abstractmethod
    def handed_over(self) -> None:
        """It is about to be delivered, and nothing but the end of its lane keeps it from that."""

    @abstractmethod
    def delivered(self) -> None:
        """All of it is confirmed by the broker."""


def is_refusal(error: BaseException) -> bool:
    """Whether a failed send says that this record is not taken by its topic, however often it is sent."""
    if isinstance(error, (*TOO_LARGE, AssertionError)):
        # The producer's own check of a partition is an assertion: it may have seen older metadata.
        return True
    return isinstance(error, BrokerResponseError) and not error.retriable and not isinstance(error, _ABOUT_THE_PRODUCER)
