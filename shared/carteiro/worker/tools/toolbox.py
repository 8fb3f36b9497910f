"""All tools that a worker serves, by the names of their entries."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from carteiro.models.prompt import ToolDefinition
from carteiro.schemas.tools import ToolStep
from carteiro.worker.tools.interface import ToolFailed, ToolSource
from carteiro.worker.tools.request_tools import RequestTools


@dataclass(slots=True)
class Toolbox:
    """The sources of tools. `default` names those of requests that name none."""

    sources: Mapping[str, ToolSource]
    default: Sequence[str]
    max_rounds: int
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self) -> None:
        """Connect the sources, and keep their connections until `close`. A source that is away stops nothing."""
        self._tasks = self._tasks or [asyncio.create_task(source.run()) for source in self.sources.values()]

    async def close(self) -> None:
        """Disconnect."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def open(self, names: Sequence[str], *, by_default: bool = False) -> RequestTools:
        """Return the tools of these entries for one request. They are `by_default` if it names none itself.

        An entry whose server was never reached gives no tools, but a step that says so. Raise `InvalidPrompt` if the
        tools are too large.
        """
        listed = await asyncio.gather(*(self._list(name) for name in names))
        sources = {
            tool.name: self.sources[name] for name, (tools, _) in zip(names, listed, strict=True) for tool in tools
        }
        definitions = [tool for tools, _ in listed for tool in tools]
        unreachable = [step for _, step in listed if step]
        return RequestTools(definitions, sources, self.max_rounds, unreachable, by_default=by_default)

    async def _list(self, name: str) -> tuple[Sequence[ToolDefinition], ToolStep | None]:
        try:
            return await self.sources[name].definitions(), None
        except ToolFailed as error:
            failed = ToolStep(
                tool=name, arguments={}, result=str(error), result_characters=len(str(error)), failed=True
            )
            return (), failed
