"""Requests that wait for an engine at the same time are given to it together."""

import asyncio
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from carteiro.models.failures import ModelFailure, Unavailable

InputT = TypeVar("InputT")
OutputT = TypeVar("OutputT")


@dataclass(frozen=True, slots=True, eq=False)
class _Row(Generic[InputT, OutputT]):
    input: InputT
    kind: Hashable
    output: asyncio.Future[OutputT]


class Together(Generic[InputT, OutputT]):
    """Gives `run` one batch after the other, of at most `most` inputs of the same kind; it returns as many outputs.

    An idle engine begins at once; what comes meanwhile waits. Where a batch fails, each of its inputs is tried alone.
    """

    def __init__(self, run: Callable[[Sequence[InputT]], Any], most: int) -> None:
        self._run, self._most = run, most
        self._waiting: list[_Row[InputT, OutputT]] = []
        self._serving: asyncio.Task[None] | None = None

    async def submit(self, item: InputT, kind: Hashable = None) -> OutputT:
        """The output for one input. Raises what `run` raises for it. A caller that leaves before its turn has none."""
        row: _Row[InputT, OutputT] = _Row(item, kind, asyncio.get_running_loop().create_future())
        self._waiting.append(row)
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve())
        return await row.output

    async def _serve(self) -> None:
        while self._waiting:
            first = self._waiting[0]
            batch = [row for row in self._waiting if row.kind == first.kind][: self._most]
            self._waiting = [row for row in self._waiting if row not in batch]
            await self._settle([row for row in batch if not row.output.done()])

    async def _settle(self, batch: Sequence[_Row[InputT, OutputT]]) -> None:
        if not batch:
            return
        try:
            outputs = await self._run([row.input for row in batch])
        except Exception as error:  # noqa: BLE001  # it belongs to whoever waits
            if len(batch) > 1:
                for row in batch:
                    await self._settle([row])
                return
            failure = error if isinstance(error, ModelFailure) else Unavailable(f"{type(error).__name__}: {error}")
            if not batch[0].output.done():
                batch[0].output.set_exception(failure)
            return
        for row, output in zip(batch, outputs, strict=True):
            if not row.output.done():
                row.output.set_result(output)
