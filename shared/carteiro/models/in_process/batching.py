"""Requests that wait for the model at the same time go through it together."""

import asyncio
import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from carteiro.models.in_process.halving import failure_alone, halves
from carteiro.models.in_process.reasons import too_slow
from carteiro.models.in_process.thread import ModelThread

InputT = TypeVar("InputT")
OutputT = TypeVar("OutputT")
T = TypeVar("T")

_PADDED = 1.1
"""A batch may have so many times the tokens of its rows: the rest is padding, worked on for nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class _Call(Generic[InputT, OutputT]):
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
    # Of those of one length, the first stays the first.
    for each in sorted(waiting, key=lambda one: abs(length(one) - length(first))):
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
        self._waiting: list[_Call[InputT, OutputT]] = []
        self._serving: asyncio.Task[None] | None = None

    async def submit(self, item: InputT, tokens: int, kind: Hashable = None) -> OutputT:
        """The output for one input. Raises what `run` raises for it, and `Unavailable` past the timeout.

        A caller that is cancelled leaves its batch if that has not begun; once all of a batch have left, it stops.
        """
        row: _Call[InputT, OutputT] = _Call(item, tokens, kind, asyncio.get_running_loop().create_future())
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

    async def _settle(self, batch: Sequence[_Call[InputT, OutputT]]) -> None:
        rows = [row for row in batch if not row.future.done()]
        if not rows:
            return
        try:
            outputs = await self._together(rows)
        except asyncio.CancelledError:
            if not all(row.future.done() for row in rows):
                raise
        except TimeoutError:
            _fail(rows, too_slow(self._name, self._timeout))
        except Exception as error:  # noqa: BLE001  # it belongs to whoever waits
            if len(rows) == 1:
                _fail(rows, failure_alone(self._name, error))
                return
            for half in halves(self._name, rows, error):
                await self._settle(half)
        else:
            for row, output in outputs:
                if not row.future.done():
                    row.future.set_result(output)

    async def _together(self, rows: Sequence[_Call[InputT, OutputT]]) -> list[tuple[_Call[InputT, OutputT], OutputT]]:
        """The rows with their outputs. It is cancelled once nobody waits for any of them."""
        inputs = [row.input for row in rows]
        work = asyncio.ensure_future(self._thread.run(lambda abandoned: self._run(inputs, abandoned), self._timeout))

        def left(_: object) -> None:
            if all(row.future.done() for row in rows):
                work.cancel()

        for row in rows:
            row.future.add_done_callback(left)
        try:
            return list(zip(rows, await work, strict=True))
        finally:
            for row in rows:
                row.future.remove_done_callback(left)


def _fail(rows: Sequence[_Call[InputT, OutputT]], failure: Exception) -> None:
    for row in rows:
        if not row.future.done():
            row.future.set_exception(failure)
