"""Errors by which a topic rejects a record or a batch."""

from aiokafka.errors import (
    BrokerResponseError,
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    InvalidTimestampError,
    InvalidTopicError,
    InvalidTxnState,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    PolicyViolationError,
    ProducerFenced,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnknownError,
    kafka_errors,
)


class InvalidRecordError(BrokerResponseError):  # type: ignore[misc]
    """A record that breaks a rule of its topic, such as one without a key on a compacted topic (Kafka's error 87)."""

    errno = 87
    message = "INVALID_RECORD"
    description = "The topic does not take such a record; a compacted topic takes none without a key."


# aiokafka does not know this error, and would treat it as an unknown failure of the broker.
kafka_errors.setdefault(InvalidRecordError.errno, InvalidRecordError)

TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)

_PRODUCER_ERRORS = (
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    InvalidTxnState,
    OutOfOrderSequenceNumber,
    ProducerFenced,
    TransactionalIdAuthorizationFailed,
)
_UNWRITTEN_ERRORS = (
    *TOO_LARGE,
    InvalidRecordError,
    InvalidTimestampError,
    InvalidTopicError,
    PolicyViolationError,
    TopicAuthorizationFailedError,
)


def is_record_rejection(error: BaseException) -> bool:
    """Return True if the error of a send means that the topic rejects this record, no matter how often it is sent."""
    if isinstance(error, (*TOO_LARGE, AssertionError)):
        # aiokafka checks the partition of a record by an assertion, which fails if its metadata is old.
        return True
    if type(error) is UnknownError or isinstance(error, _PRODUCER_ERRORS):
        return False
    return isinstance(error, BrokerResponseError) and not error.retriable


def is_unwritten(error: BaseException) -> bool:
    """Return True if the error means that the batch was definitely not written."""
    return isinstance(error, _UNWRITTEN_ERRORS)
