"""Requests that wait for the model at the same time go through it together."""

import asyncio
import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog
import torch

from carteiro.models.failures import ModelFailure, Unavailable
from carteiro.models.local.thread import ModelThread

InputT = TypeVar("InputT")
OutputT = TypeVar("OutputT")
T = TypeVar("T")

_PADDED = 1.1
"""A batch may have so many times the tokens of its rows: the rest is padding, worked on for nothing."""

log = structlog.get_logger("carteiro.models")


@dataclass(frozen=True, slots=True, eq=False)
class Row(Generic[InputT, OutputT]):
    """One input of a batch, so many tokens long. Only rows of the same kind may share a batch."""

    input: InputT
    tokens: int
    kind: Hashable
    future: asyncio.Future[OutputT]


def alike(waiting: Sequence[T], length: Callable[[T], int], budget: int) -> list[T]:
    """Those that may share a batch: the one that waits longest, and those that are nearest to it in length (tokens).

    Together, padded to the longest, they have at most `budget` tokens, unless it is one alone.
    """
    first = waiting[0]
    batch: list[T] = []
    longest = total = 0
    for each in sorted(waiting, key=lambda one: (one is not first, abs(length(one) - length(first)))):
        padded = max(longest, length(each)) * (len(batch) + 1)
        if batch and (padded > budget or padded > _PADDED * (total + length(each))):
            continue
        batch.append(each)
        longest, total = max(longest, length(each)), total + length(each)
    return batch


class Batcher(Generic[InputT, OutputT]):
    """Gives a model's thread one batch after the other. An idle model begins at once; what comes meanwhile waits.

    `run` gets the inputs of a batch and an event that is set once nobody waits for any of them; its outputs are in the
    order of the inputs. `timeout` bounds one batch, in seconds; `budget` is in tokens, padding included.
    """

    def __init__(
        self,
        name: str,
        thread: ModelThread,
        run: Callable[[Sequence[InputT], threading.Event], Sequence[OutputT]],
        *,
        timeout: float,
        budget: int,
    ) -> None:
        self._name, self._thread, self._run = name, thread, run
        self._timeout, self._budget = timeout, budget
        self._waiting: list[Row[InputT, OutputT]] = []
        self._serving: asyncio.Task[None] | None = None

    async def submit(self, item: InputT, tokens: int, kind: Hashable = None) -> OutputT:
        """The output for one input. Raises what `run` raises for it, and `Unavailable` past the timeout.

        A caller that is cancelled leaves its batch if that has not begun; once all of a batch have left, it stops.
        """
        row: Row[InputT, OutputT] = Row(item, tokens, kind, asyncio.get_running_loop().create_future())
        self._waiting.append(row)
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve())
        return await row.future

    async def _serve(self) -> None:
        while self._waiting:
            of_a_kind = [row for row in self._waiting if row.kind == self._waiting[0].kind]
            batch = alike(of_a_kind, lambda row: row.tokens, self._budget)
            self._waiting = [row for row in self._waiting if row not in batch]
            await self._settle(batch)

    async def _settle(self, batch: Sequence[Row[InputT, OutputT]]) -> None:
        rows = [row for row in batch if not row.future.done()]
        if not rows:
            return
        failure: BaseException
        try:
            outputs = await self._together(rows)
        except asyncio.CancelledError:
            if all(row.future.done() for row in rows):
                return
            raise
        except TimeoutError:
            failure = Unavailable(f"the model {self._name} took longer than {self._timeout:g} s")
        except Exception as error:  # noqa: BLE001  # it belongs to whoever waits
            if len(rows) > 1:
                # Too much at once for the memory, or one that spoils it for all: halves find out which.
                log.warning(
                    "a batch failed; its halves are tried", model=self._name, rows=len(rows), reason=said_of(error)
                )
                for half in (rows[: len(rows) // 2], rows[len(rows) // 2 :]):
                    await self._settle(half)
                return
            failure = Unavailable(f"the model {self._name} ran out of memory") if out_of_memory(error) else error
        else:
            for row, output in zip(rows, outputs, strict=True):
                if not row.future.done():
                    row.future.set_result(output)
            return
        for row in rows:
            if not row.future.done():
                row.future.set_exception(failure)

    async def _together(self, rows: Sequence[Row[InputT, OutputT]]) -> Sequence[OutputT]:
        inputs = [row.input for row in rows]
        work = asyncio.ensure_future(self._thread.run(lambda abandoned: self._run(inputs, abandoned), self._timeout))

        def left(_: object) -> None:
            if all(row.future.done() for row in rows):
                work.cancel()

        for row in rows:
            row.future.add_done_callback(left)
        try:
            return await work
        finally:
            for row in rows:
                row.future.remove_done_callback(left)


def out_of_memory(error: BaseException) -> bool:
    """Whether there was too little memory: PyTorch has an exception for it on a GPU, and none on a CPU."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def said_of(error: BaseException) -> str:
    """An error in few words for the log: what a library says of one may quote the prompt."""
    return error.message if isinstance(error, ModelFailure) else type(error).__name__
