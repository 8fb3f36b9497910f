"""Completions are written together, a token each at a step; they begin as they come and leave as they end.

Nobody waits for a batch to fill up or to end. The scheme is that of Orca (Yu et al., "Orca: A Distributed Serving
System for Transformer-Based Generative Models", OSDI 2022): what runs is settled anew before each step.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from carteiro.models.in_process.batching import alike
from carteiro.models.in_process.halving import failure_alone, halves
from carteiro.models.in_process.reasons import out_of_memory, too_slow
from carteiro.models.in_process.thread import ModelThread
from carteiro.models.local.forward import keeps_a_state
from carteiro.models.local.row import Row
from carteiro.models.local.stepping import Batch

_MOST_ROWS = 64
"""So many completions are written at once; more take their turn when one ends."""
_PADDED = 2.0
"""Two batches become one where that makes no more than so many times their tokens."""
_READ_TOGETHER = 2048
"""Most tokens of prompts that are read in one batch, padding included."""


@dataclass(eq=False, slots=True)
class _Call:
    row: Row
    future: asyncio.Future[Row]
    spent: float = 0.0
    """The seconds that the model worked on it; a step is shared evenly by its rows."""


class ContinuousBatcher:
    """Has rows written by a model's thread.

    `timeout` bounds the model's time for one row, and the time of one step, in seconds. `budget` is the most tokens,
    prompts and limits together, of all rows that are being written.
    """

    def __init__(self, name: str, model: Any, thread: ModelThread, *, timeout: float, budget: int) -> None:
        self._name, self._model, self._thread = name, model, thread
        self._timeout, self._budget = timeout, budget
        self._waiting: list[_Call] = []
        self._running: dict[Row, _Call] = {}
        self._batches: list[Batch] = []
        self._serving: asyncio.Task[None] | None = None

    async def write(self, row: Row) -> None:
        """Return once the row has ended. Raises what went wrong with it, and `Unavailable` past the timeout.

        A caller that is cancelled leaves before the next step.
        """
        call = _Call(row, asyncio.get_running_loop().create_future())
        self._waiting.append(call)
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve())
        await call.future

    async def _serve(self) -> None:
        while self._waiting or self._batches:
            self._admit()
            for batch in list(self._batches):
                await self._step(batch)
            await self._unite()

    def _admit(self) -> None:
        """Begin to read the prompt that waits longest, with those of about its length that there is room for."""
        self._waiting = [call for call in self._waiting if not call.future.done()]
        if not self._waiting or any(batch.reading for batch in self._batches):
            return
        going_on = [call.row for call in self._running.values() if not call.future.done()]
        room = self._budget - sum(row.reserved for row in going_on)
        places = 1 if keeps_a_state(self._model) else _MOST_ROWS - len(going_on)
        admitted: list[_Call] = []
        for call in alike(self._waiting, lambda each: len(each.row.tokens), _READ_TOGETHER):
            if (call.row.reserved > room and (admitted or going_on)) or len(admitted) >= places:
                break
            room -= call.row.reserved
            admitted.append(call)
        self._waiting = [call for call in self._waiting if call not in admitted]
        self._begin(admitted)

    def _begin(self, calls: Sequence[_Call]) -> None:
        if calls:
            self._running |= {call.row: call for call in calls}
            self._batches.append(Batch(self._model, [call.row for call in calls]))

    async def _step(self, batch: Batch) -> None:
        calls = [call for row in batch.rows if not (call := self._running[row]).future.done()]
        for row in batch.rows:
            if self._running[row] not in calls:
                del self._running[row]
        if not calls:
            self._batches.remove(batch)
            return

        def step() -> float:
            began = time.perf_counter()
            batch.keep([call.row for call in calls])
            batch.step()
            return time.perf_counter() - began

        try:
            seconds = await self._thread.run(lambda _: step(), self._timeout)
        except TimeoutError:
            self._give_up(batch, calls, too_slow(self._name, self._timeout))
        except Exception as error:  # noqa: BLE001  # it belongs to whoever waits
            self._recover(batch, calls, error)
        else:
            for call in calls:
                call.spent += seconds / len(calls)
                self._settle(call)

    def _settle(self, call: _Call) -> None:
        if call.future.done():
            return
        if call.row.failure is not None:
            call.future.set_exception(call.row.failure)
        elif call.row.ended:
            call.future.set_result(call.row)
        elif call.spent > self._timeout:
            call.future.set_exception(too_slow(self._name, self._timeout))

    def _recover(self, batch: Batch, calls: Sequence[_Call], error: Exception) -> None:
        """One half of the rows goes on, the other waits for it."""
        if len(calls) == 1:
            self._give_up(batch, calls, failure_alone(self._name, error))
            return
        first, rest = halves(self._name, calls, error)
        self._drop(batch, calls)
        if out_of_memory(error):
            self._budget = max(1, sum(call.row.reserved for call in first))
        self._begin(first)
        self._waiting = [*rest, *self._waiting]

    def _give_up(self, batch: Batch, calls: Sequence[_Call], failure: Exception) -> None:
        self._drop(batch, calls)
        for call in calls:
            if not call.future.done():
                call.future.set_exception(failure)

    def _drop(self, batch: Batch, calls: Sequence[_Call]) -> None:
        self._batches.remove(batch)
        for call in calls:
            del self._running[call.row]

    async def _unite(self) -> None:
        """Put two batches together that are of about the same length."""
        ready = [] if keeps_a_state(self._model) else [batch for batch in self._batches if not batch.reading]
        for one in ready:
            for other in ready:
                if one is not other and _fit(one, other):
                    await self._join(one, other)
                    return

    async def _join(self, one: Batch, other: Batch) -> None:
        calls = [call for row in (*one.rows, *other.rows) if not (call := self._running[row]).future.done()]
        self._batches.remove(other)
        try:
            await self._thread.run(lambda _: one.join(other))
        except Exception as error:  # noqa: BLE001  # it belongs to whoever waits
            self._recover(one, calls, error)


def _fit(one: Batch, other: Batch) -> bool:
    rows = [*one.rows, *other.rows]
    longest: int = max(one.length, other.length)
    return longest * len(rows) <= _PADDED * sum(len(row.tokens) for row in rows)
