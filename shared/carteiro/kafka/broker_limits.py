"""Limits that a broker sets on commits and transactions, as far as they are known."""

from dataclasses import dataclass

import structlog
from aiokafka.errors import InvalidTransactionTimeout, OffsetMetadataTooLargeError

from carteiro.ledger.metadata import MAX_METADATA_BYTES, MIN_METADATA_BYTES

log = structlog.get_logger("carteiro.delivery")

TRANSACTION_SECONDS = 10.0
"""Maximum seconds that a transaction is open. After a crash, `read_committed` readers wait that long."""
_MIN_TRANSACTION_SECONDS = 1.0


@dataclass(slots=True)
class BrokerLimits:
    """Known limits. They start at the brokers' defaults and shrink with each rejection."""

    metadata_bytes: int = MAX_METADATA_BYTES
    transaction_seconds: float = TRANSACTION_SECONDS

    def adapt(self, error: BaseException | None, metadata_bytes: int = MAX_METADATA_BYTES) -> bool:
        """Lower a limit if an error, or its cause, says that the broker rejects it. Return True if a limit was lowered.

        `metadata_bytes` is the size of the metadata in the failed commit.
        """
        while error is not None:
            if isinstance(error, OffsetMetadataTooLargeError) and self.metadata_bytes:
                half = min(metadata_bytes, self.metadata_bytes) // 2
                self.metadata_bytes = half if half >= MIN_METADATA_BYTES else 0
                log.warning(
                    "the broker takes less metadata with a commit: fewer finished requests are known after a crash, "
                    "and fewer may be in flight; set offset.metadata.max.bytes of the brokers to 4096",
                    metadata_bytes=self.metadata_bytes,
                )
                return True
            if isinstance(error, InvalidTransactionTimeout) and self.transaction_seconds > _MIN_TRANSACTION_SECONDS:
                self.transaction_seconds = max(self.transaction_seconds / 2, _MIN_TRANSACTION_SECONDS)
                log.warning(
                    "the broker allows only shorter transactions; set its transaction.max.timeout.ms to 10000 or more",
                    transaction_seconds=self.transaction_seconds,
                )
                return True
            error = error.__cause__
        return False
