import pytest
from aiokafka.errors import (
    InvalidTopicError,
    KafkaConnectionError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    NotEnoughReplicasError,
    ProducerFenced,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    UnknownError,
    for_code,
)

from carteiro.kafka.record_errors import InvalidRecordError, is_record_rejection, is_unwritten


@pytest.mark.parametrize(
    "error",
    [
        MessageSizeTooLargeError(),
        RecordListTooLargeError(),
        InvalidRecordError(),
        InvalidTopicError(),
        TopicAuthorizationFailedError(),
    ],
    ids=repr,
)
def test_rejected_record_is_not_written(error: Exception) -> None:
    assert is_record_rejection(error)
    assert is_unwritten(error)


@pytest.mark.parametrize(
    "error",
    [ProducerFenced(), UnknownError(), NotEnoughReplicasError(), KafkaConnectionError(), KafkaTimeoutError()],
    ids=repr,
)
def test_failure_of_the_producer_or_the_broker_rejects_no_record(error: Exception) -> None:
    assert not is_record_rejection(error)
    assert not is_unwritten(error)


def test_partition_that_the_metadata_lacks_rejects_the_record() -> None:
    assert is_record_rejection(AssertionError("Unrecognized partition"))


def test_aiokafka_knows_an_invalid_record() -> None:
    assert for_code(87) is InvalidRecordError
