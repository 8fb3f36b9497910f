from aiokafka.errors import InvalidTransactionTimeout, KafkaError, OffsetMetadataTooLargeError

from carteiro.kafka.broker_limits import BrokerLimits
from carteiro.ledger.metadata import MIN_METADATA_BYTES


def test_rejected_metadata_halves_its_limit_until_none_is_written() -> None:
    limits, seen = BrokerLimits(), [4096]
    while limits.adapt(OffsetMetadataTooLargeError()):
        seen.append(limits.metadata_bytes)
    assert seen == [4096, 2048, 1024, 512, 256, 128, 64, 0]
    assert seen[-2] >= MIN_METADATA_BYTES > seen[-2] // 2


def test_limit_is_half_of_the_rejected_metadata() -> None:
    limits = BrokerLimits()
    assert limits.adapt(OffsetMetadataTooLargeError(), metadata_bytes=300)
    assert limits.metadata_bytes == 150


def test_rejected_timeout_halves_the_transaction_down_to_a_second() -> None:
    limits, seen = BrokerLimits(), [10.0]
    while limits.adapt(InvalidTransactionTimeout()):
        seen.append(limits.transaction_seconds)
    assert seen == [10.0, 5.0, 2.5, 1.25, 1.0]


def test_cause_of_an_error_counts_and_other_errors_do_not() -> None:
    limits = BrokerLimits()
    error = KafkaError()
    assert not limits.adapt(error)
    assert not limits.adapt(None)
    error.__cause__ = InvalidTransactionTimeout()
    assert limits.adapt(error)
