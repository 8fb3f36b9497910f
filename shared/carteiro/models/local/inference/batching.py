"""Batching of requests that wait for a model at the same time."""

import asyncio
import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from carteiro.models.local.inference.batch_bisection import single_item_error, split_batch
from carteiro.models.local.inference.error_messages import timeout_error
from carteiro.models.local.inference.thread import ModelThread

InputT = TypeVar("InputT")
OutputT = TypeVar("OutputT")
T = TypeVar("T")

_MAX_PADDING_FACTOR = 1.1
"""Maximum size of a padded batch, as a multiple of the tokens of its rows: padding costs time for nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class _PendingInput(Generic[InputT, OutputT]):
    """One waiting input, its length in tokens, and its batch key. Only rows with equal keys share a batch."""

    input: InputT
    tokens: int
    batch_key: Hashable
    future: asyncio.Future[OutputT]


def same_length_group(waiting: Sequence[T], length: Callable[[T], int], max_batch_tokens: int) -> list[T]:
    """Return the items of the next batch: the item that waits longest, and those of the most similar length.

    `length` returns the tokens of an item. The batch, padded to its longest item, has at most `max_batch_tokens`
    tokens, unless it is a single item.
    """
    first = waiting[0]
    batch: list[T] = []
    longest = total = 0
    # The sort is stable, so items of equal length keep their order.
    for each in sorted(waiting, key=lambda item: abs(length(item) - length(first))):
        padded = max(longest, length(each)) * (len(batch) + 1)
        if batch and (padded > max_batch_tokens or padded > _MAX_PADDING_FACTOR * (total + length(each))):
            continue
        batch.append(each)
        longest, total = max(longest, length(each)), total + length(each)
    return batch


class Batcher(Generic[InputT, OutputT]):
    """Runs one batch after the other on a model's thread.

    An idle model starts at once; inputs that arrive meanwhile wait for the next batch. `run` gets the inputs of a batch
    and an event that is set when all their callers are cancelled. It returns the outputs in the order of the inputs.
    `timeout` bounds one batch, in seconds. `max_batch_tokens` includes padding.
    """

    def __init__(
        self,
        name: str,
        thread: ModelThread,
        run: Callable[[Sequence[InputT], threading.Event], Sequence[OutputT]],
        *,
        timeout: float,
        max_batch_tokens: int,
    ) -> None:
        self._name, self._thread, self._run = name, thread, run
        self._timeout, self._max_batch_tokens = timeout, max_batch_tokens
        self._waiting: list[_PendingInput[InputT, OutputT]] = []
        self._loop_task: asyncio.Task[None] | None = None

    async def submit(self, item: InputT, tokens: int, batch_key: Hashable = None) -> OutputT:
        """Return the output for one input of `tokens` tokens. Only inputs with equal `batch_key` share a batch.

        A cancelled caller leaves a batch that has not started. A batch stops when all its callers are cancelled. Raise
        what `run` raises for the input, and `Unavailable` if the batch takes longer than the timeout.
        """
        row: _PendingInput[InputT, OutputT] = _PendingInput(
            item, tokens, batch_key, asyncio.get_running_loop().create_future()
        )
        self._waiting.append(row)
        if self._loop_task is None or self._loop_task.done():
            self._loop_task = asyncio.create_task(self._run_batches())
        return await row.future

    async def _run_batches(self) -> None:
        while self._waiting:
            compatible = [row for row in self._waiting if row.batch_key == self._waiting[0].batch_key]
            batch = same_length_group(compatible, lambda row: row.tokens, self._max_batch_tokens)
            self._waiting = [row for row in self._waiting if row not in batch]
            await self._run_batch(batch)

    async def _run_batch(self, batch: Sequence[_PendingInput[InputT, OutputT]]) -> None:
        rows = [row for row in batch if not row.future.done()]
        if not rows:
            return
        try:
            outputs = await self._run_on_thread(rows)
        except asyncio.CancelledError:
            if not all(row.future.done() for row in rows):
                raise
        except TimeoutError:
            _fail(rows, timeout_error(self._name, self._timeout))
        except Exception as error:  # noqa: BLE001  # the error belongs to the callers
            if len(rows) == 1:
                _fail(rows, single_item_error(self._name, error))
                return
            for half in split_batch(self._name, rows, error):
                await self._run_batch(half)
        else:
            for row, output in outputs:
                if not row.future.done():
                    row.future.set_result(output)

    async def _run_on_thread(
        self, rows: Sequence[_PendingInput[InputT, OutputT]]
    ) -> list[tuple[_PendingInput[InputT, OutputT], OutputT]]:
        """Return the rows with their outputs. The work is cancelled when all callers are cancelled."""
        inputs = [row.input for row in rows]
        work = asyncio.ensure_future(self._thread.run(lambda cancelled: self._run(inputs, cancelled), self._timeout))

        def cancel_if_unused(_: object) -> None:
            if all(row.future.done() for row in rows):
                work.cancel()

        for row in rows:
            row.future.add_done_callback(cancel_if_unused)
        try:
            return list(zip(rows, await work, strict=True))
        finally:
            for row in rows:
                row.future.remove_done_callback(cancel_if_unused)


def _fail(rows: Sequence[_PendingInput[InputT, OutputT]], error: Exception) -> None:
    for row in rows:
        if not row.future.done():
            row.future.set_exception(error)
