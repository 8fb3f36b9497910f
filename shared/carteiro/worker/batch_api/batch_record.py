"""The record of one batch on the topic of batches."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from carteiro.worker.batch_api.stage import BatchStage
from carteiro.worker.batch_api.state import BatchState

_MAX_SAVE_SECONDS = 5.0
"""Longest time to save the state before a submission. A worker that was halted for longer may have lost the partition,
so it saves again.
"""


class BatchRecord:
    """A batch's state, which is stored at each change.

    `publish` stores a value under a key; it does not return if the partition has another owner.
    """

    def __init__(
        self,
        state: BatchState,
        publish: Callable[[bytes, bytes | None], Awaitable[None]],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.state, self._publish, self._now = state, publish, now

    async def advance(self, stage: BatchStage, **changes: Any) -> None:
        """Store the batch in its next stage, with `changes` of other fields."""
        state = self.state.advance(stage, **changes)
        while True:
            began = self._now()
            await self._publish(state.key, state.encode())
            if self._now() - began < _MAX_SAVE_SECONDS:
                break
        self.state = state

    async def delete(self) -> None:
        """Delete the record: the batch is at its end."""
        await self._publish(self.state.key, None)
