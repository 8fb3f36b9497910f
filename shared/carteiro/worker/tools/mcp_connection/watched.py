"""The streams of a connection to an MCP server: its end, notices, and messages that the SDK cannot process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import structlog
from mcp.shared.message import SessionMessage
from mcp.types import JSONRPCError, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse
from mcp.types.methods import validate_server_result
from pydantic import ValidationError

from carteiro.worker.tools.mcp_connection.limits import MAX_REQUESTS

log = structlog.get_logger("carteiro.worker")

_PROTOCOL = "2025-11-25"
"""Version that tools are checked by. Later ones permit more in schemas of results, which are left out."""


@asynccontextmanager
async def watched(transport: Any, lost: asyncio.Event, changed: asyncio.Event) -> AsyncIterator[Any]:
    """Open a transport whose end sets `lost`: a server that ended is connected again before it is needed. The end, and
    a notice of other tools, set `changed`.
    """
    async with transport as (reads, writes):
        answers = _AnswerStream(writes)
        yield _WatchedStream(reads, lost, changed, answers), answers


class _WrappedStream:
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._stream.__aexit__(*error)


class _AnswerStream(_WrappedStream):
    """Stream to a server that counts its requests without an answer."""

    waiting = 0

    async def send(self, item: SessionMessage) -> None:
        await self._stream.send(item)
        if isinstance(item.message, JSONRPCResponse | JSONRPCError):
            self.waiting -= 1


class _WatchedStream(_WrappedStream):
    """Stream of a server's messages that sets events at its end, and at a notice of other tools.

    Schemas of results are left out: the SDK would apply them in the event loop, and some take exponential time. So are
    tools that are no tools, for which the SDK would reject the whole list, and requests of a server that does not read
    the answers.
    """

    def __init__(self, stream: Any, lost: asyncio.Event, changed: asyncio.Event, answers: _AnswerStream) -> None:
        super().__init__(stream)
        self._lost, self._changed, self._answers = lost, changed, answers

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        while True:
            try:
                received = await self._stream.__anext__()
            except StopAsyncIteration:
                self._lost.set()
                self._changed.set()
                raise
            message = received.message if isinstance(received, SessionMessage) else None
            if isinstance(message, JSONRPCResponse):
                _keep_readable_tools(message)
            if isinstance(message, JSONRPCNotification) and message.method == "notifications/tools/list_changed":
                self._changed.set()
            if not isinstance(message, JSONRPCRequest):
                return received
            if self._answers.waiting < MAX_REQUESTS:
                self._answers.waiting += 1
                return received


def _keep_readable_tools(message: JSONRPCResponse) -> None:
    tools = message.result.get("tools")
    if not isinstance(tools, list):
        return
    for tool in tools:
        if isinstance(tool, dict):
            tool.pop("outputSchema", None)
    readable = [tool for tool in tools if _is_tool(tool)]
    if len(readable) < len(tools):
        count = len(tools) - len(readable)
        log.warning("an MCP server lists tools that cannot be read; they are left out", count=count)
        message.result["tools"] = readable


def _is_tool(tool: Any) -> bool:
    try:
        validate_server_result("tools/list", _PROTOCOL, {"tools": [tool]})
    except ValidationError:
        return False
    return True
