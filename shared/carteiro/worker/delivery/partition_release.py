"""The release of a partition: its requests in flight finish, and a last commit tells the next owner."""

import asyncio

import structlog

from carteiro.ledger.crash_tracker import LEAVING_FLAG
from carteiro.worker.delivery.delivery_loop import DeliveryLoop
from carteiro.worker.delivery.partition_handler import PartitionHandler
from carteiro.worker.delivery.partition_state import PartitionState
from carteiro.worker.delivery.request_runner import RequestRunner

log = structlog.get_logger("carteiro.delivery")

_COMMIT_SECONDS = 5.0
_PAUSED_DRAIN_SECONDS = 1.0


class PartitionRelease:
    """Releases the partition of one lane, which reads no more."""

    def __init__(
        self, handler: PartitionHandler, partition_state: PartitionState, runner: RequestRunner, loop: DeliveryLoop
    ) -> None:
        self._handler, self._partition_state, self._runner, self._loop = handler, partition_state, runner, loop

    async def announce(self) -> bool:
        """Tell a worker that has replaced this worker in the group to wait until the partition is released.

        Return False if that is not possible: only a transaction can commit from outside the group.
        """
        if not self._loop.is_transactional:
            return False
        self._partition_state.crash_tracker.owner |= LEAVING_FLAG
        try:
            await self._commit()
        except Exception as error:  # noqa: BLE001  # the other worker did not wait: it owns the partition already
            log.debug("cannot release a partition to its new owner", **self._loop.log_fields, reason=repr(error))
            return False
        return True

    async def release(self, seconds: float) -> None:
        """Finish running requests within `seconds`, and commit that nobody owns the partition."""
        await self._drain(seconds)
        self._partition_state.crash_tracker.release(self._partition_state.ledger)
        try:
            # The commit is needed even without a drain: it tells the next owner that this worker has not crashed.
            await self._commit()
        except Exception as error:  # noqa: BLE001  # the next owner starts from the previous commit
            fields = self._loop.log_fields
            log.warning("could not commit before giving the partition back", **fields, reason=repr(error))

    async def _drain(self, seconds: float) -> None:
        # Requests wait for a model with an open circuit, for hours maybe. They can wait at the next owner as well.
        patient = self._handler.accepts_work() and not self._handler.resumable
        try:
            async with asyncio.timeout(seconds if patient else min(seconds, _PAUSED_DRAIN_SECONDS)):
                await self._runner.drain()
        except TimeoutError:
            if patient:
                fields, in_flight = self._loop.log_fields, self._runner.in_flight
                log.warning("not all requests in flight could be finished", **fields, in_flight=in_flight)

    async def _commit(self) -> None:
        async with asyncio.timeout(_COMMIT_SECONDS):
            await self._loop.commit()
