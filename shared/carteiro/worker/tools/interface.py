"""Protocol between the loop of calls and the sources of tools."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from carteiro.models.prompt import ToolDefinition


class ToolFailed(Exception):
    """A tool gave no result. The message is for the model and the reply: it names no secret."""


class ToolSource(Protocol):
    """One entry of the file of tools: a tool, or a server of several."""

    @property
    def timeout(self) -> float:
        """Maximum seconds of one call."""

    async def definitions(self) -> Sequence[ToolDefinition]:
        """Return the tools. Raise `ToolFailed` if they are not known, because the server was never reached."""

    async def call(self, name: str, arguments: Mapping[str, Any], idempotency_key: str = "") -> str:
        """Return the result of a call. Raise `ToolFailed`. A cancelled call is not made any more.

        `idempotency_key` is the same if the call is made again after a crash; it may be empty.
        """

    async def run(self) -> None:
        """Keep the connection until cancelled."""
