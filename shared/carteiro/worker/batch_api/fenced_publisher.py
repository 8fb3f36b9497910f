"""The writer of batch states, which another owner of the partition fences off."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from carteiro.concurrency.backoff import Backoff
from carteiro.wire.record import OutgoingRecord
from carteiro.worker.delivery.interface import Delivery, DeliveryContext

log = structlog.get_logger("carteiro.worker")

_FIRST_PAUSE, _MAX_PAUSE = 1.0, 10.0


class StatePublisher(Protocol):
    """Writer of the state of one partition's batches, which also knows the finished requests."""

    def is_finished(self, offset: int) -> bool:
        """Return True if the deferred request at an offset is finished."""

    async def publish(self, key: bytes, value: bytes | None) -> None:
        """Store a value under a key, or delete the key if the value is None. Return after the acknowledgement.

        Never return if the partition has another owner.
        """


class FencedPublisher(StatePublisher):
    """Writer of one partition's records on the topic of batches, by the delivery of the partition's lane.

    In a worker that has lost the partition, writes fail, as its delivery is fenced off: `publish` does not return.
    """

    def __init__(
        self, topic: str, partition: int, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._topic, self._partition, self._sleep = topic, partition, sleep
        self._attached: tuple[Delivery, DeliveryContext] | None = None

    def attach(self, delivery: Delivery, lane: DeliveryContext) -> None:
        """Write by this delivery of the lane from now on."""
        self._attached = delivery, lane

    def is_finished(self, offset: int) -> bool:
        """Return True if the lane's request at an offset is finished."""
        return self._attached is not None and self._attached[1].ledger.is_finished(offset)

    async def publish(self, key: bytes, value: bytes | None) -> None:
        """Write a value, or a tombstone if it is None, and return after the acknowledgement.

        Retry after errors, with a new delivery each time, until it succeeds or is cancelled.
        """
        record = OutgoingRecord(self._topic, self._partition, key, value, ())
        backoff = Backoff(_FIRST_PAUSE, _MAX_PAUSE, sleep=self._sleep)
        while not await self._try_publish(record):
            await backoff.pause()

    async def _try_publish(self, record: OutgoingRecord) -> bool:
        # A lane that is not open may soon lose the partition to another owner, so nothing is written for it.
        if self._attached is None or not self._attached[1].is_open:
            return False
        attached = delivery, lane = self._attached
        try:
            # A cancellation in the middle of a write would make the delivery unusable.
            await asyncio.shield(delivery.publish(record))
        except Exception as error:  # noqa: BLE001  # after any error the delivery cannot be used again
            log.warning("cannot store the state of a batch", **lane.log_fields, reason=repr(error))
            if lane.is_open and self._attached is attached:
                lane.restart_delivery()
            return False
        return True
