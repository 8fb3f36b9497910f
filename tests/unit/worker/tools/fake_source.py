"""A source of tools that does what a test says."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from carteiro.models.prompt import ToolDefinition
from carteiro.worker.tools.interface import ToolFailed, ToolSource

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = ToolDefinition("weather", "The weather of a city.", SCHEMA)


class FakeSource(ToolSource):
    """Source of `WEATHER`. `answer` makes the results."""

    timeout = 5.0

    def __init__(self, answer: Callable[[Mapping[str, Any]], str] = lambda given: f"rain in {given['city']}") -> None:
        self.answer, self.calls = answer, list[Mapping[str, Any]]()
        self.keys: list[str] = []
        self.is_reachable, self.hangs, self.cancelled = True, False, False

    async def definitions(self) -> Sequence[ToolDefinition]:
        if not self.is_reachable:
            raise ToolFailed("It cannot be reached.")
        return [WEATHER]

    async def call(self, name: str, arguments: Mapping[str, Any], idempotency_key: str = "") -> str:
        self.calls.append(arguments)
        self.keys.append(idempotency_key)
        if self.hangs:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled = True
                raise
        return self.answer(arguments)

    async def run(self) -> None:
        await asyncio.Event().wait()
