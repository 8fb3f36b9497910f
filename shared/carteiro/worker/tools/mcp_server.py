"""Tools of an MCP server (https://modelcontextprotocol.io/specification), over stdio or streamable HTTP."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

import anyio
import httpx2
import structlog
from mcp import Client, MCPError
from mcp.types import (
    CONNECTION_CLOSED,
    INVALID_REQUEST,
    PARSE_ERROR,
    BlobResourceContents,
    CallToolResult,
    EmbeddedResource,
    ResourceLink,
    TextContent,
    Tool,
)
from pydantic import ValidationError

from carteiro.concurrency.backoff import Backoff
from carteiro.models.caller_schema import CallerSchema
from carteiro.models.errors import InvalidPrompt
from carteiro.models.json_output import compact_json
from carteiro.models.prompt import ToolDefinition
from carteiro.settings.tools_file import ServerEntry, model_name
from carteiro.worker.tools.interface import ToolFailed, ToolSource
from carteiro.worker.tools.mcp_connection.http import http_transport
from carteiro.worker.tools.mcp_connection.limits import TOO_LONG, TRANSPORT_FAILED, UNREADABLE
from carteiro.worker.tools.mcp_connection.stdio import stdio_transport
from carteiro.worker.tools.mcp_connection.watched import watched

log = structlog.get_logger("carteiro.worker")

_CONNECT_SECONDS = 30.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 60.0
_CONNECTION_ERRORS = (OSError, httpx2.HTTPError, anyio.ClosedResourceError, anyio.BrokenResourceError)
_MAX_PAGES = 20
"""Maximum number of pages of a server's list of tools."""
_MAX_DESCRIPTION = 4096
_CLOSE_SECONDS = 10.0
"""Time for a connection to end with the worker."""
_MAX_WAIT_SECONDS = 5.0
"""Time that a call waits for a server that is connected again."""
_MAX_UNANSWERED = 3
"""Calls in a row that are given up, after which the server is connected again: it may hang."""
_LIST_SECONDS, _LIST_PAUSE = 300.0, 5.0
"""Longest and shortest time between two lists of a server's tools. Not all servers tell of a change."""
_STABLE_SECONDS = 60.0
"""A server that ran for so long is restarted without the pauses of its earlier failures."""

IDEMPOTENCY_KEY = "carteiro/idempotency_key"
"""Name of the idempotency key in the `_meta` of a call."""
_UNREADABLE_CODES = (PARSE_ERROR, INVALID_REQUEST)
"""Codes of the SDK for answers that it cannot read. Its messages quote them."""
_FORGOTTEN = "Session terminated"
"""The SDK's message if a server by HTTP does not know the session, because it has started again."""


class _SessionForgotten(ToolFailed):
    """The server has started again, and did not make the call."""


class McpServer(ToolSource):
    """Tools of one MCP server, by an allow-list. A server that ends, or cannot be reached, is connected again."""

    def __init__(
        self, name: str, entry: ServerEntry, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """`name` is that of its entry."""
        self._name, self._entry = name, entry
        self._backoff = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE, sleep=sleep)
        self._client: Client | None = None
        self._connected, self._lost, self._changed = asyncio.Event(), asyncio.Event(), asyncio.Event()
        """`_changed` is set when the tools have changed, or the connection is lost."""
        self._tried = asyncio.Event()
        """Set when the first try to connect has ended. No request waits for later ones to know the tools."""
        self._unanswered = 0
        """Calls in a row that were given up, mostly because they took too long."""
        self._definitions: Sequence[ToolDefinition] | None = None
        self._names = {model_name(tool): tool for tool in entry.tools}

    @property
    def timeout(self) -> float:
        return self._entry.timeout_seconds

    async def definitions(self) -> Sequence[ToolDefinition]:
        with suppress(TimeoutError):
            async with asyncio.timeout(self.timeout):
                await self._tried.wait()
        if self._definitions is None:
            raise ToolFailed(f"The MCP server {self._name} cannot be reached.")
        return self._definitions

    async def call(self, name: str, arguments: Mapping[str, Any], idempotency_key: str = "") -> str:
        try:
            result = await self._call(name, arguments, idempotency_key)
        except _SessionForgotten:
            result = await self._call(name, arguments, idempotency_key)
        self._unanswered = 0
        text = result_text(result)
        if result.is_error:
            raise ToolFailed(text or "The tool failed.")
        return text

    async def _call(self, name: str, arguments: Mapping[str, Any], idempotency_key: str) -> CallToolResult:
        """Return the result of a call. Raise `ToolFailed`, or `_SessionForgotten` if it was not made."""
        try:
            async with asyncio.timeout(_MAX_WAIT_SECONDS):
                await self._connected.wait()
        except TimeoutError:
            raise ToolFailed("The tool's server is away.") from None
        client = self._client
        assert client is not None
        meta: Any = {IDEMPOTENCY_KEY: idempotency_key} if idempotency_key else None
        try:
            return await client.call_tool(self._names[name], dict(arguments), meta=meta)
        except asyncio.CancelledError:
            self._unanswered += 1
            if self._unanswered >= _MAX_UNANSWERED:
                self._reconnect(client)
            raise
        except MCPError as error:
            if TOO_LONG in error.message:
                raise ToolFailed(TOO_LONG) from None
            if error.message == _FORGOTTEN:
                self._reconnect(client)
                raise _SessionForgotten("The tool's server has started again.") from None
            if error.code == CONNECTION_CLOSED:
                if self._lost.is_set():  # By HTTP, only this answer was lost.
                    self._reconnect(client)
                raise ToolFailed("The tool's server ended before it answered.") from None
            told = UNREADABLE if error.code in _UNREADABLE_CODES else error.message or "The tool failed."
            if told == UNREADABLE or error.code == TRANSPORT_FAILED:
                log.warning("a call of an MCP server failed", server=self._name, tool=name, reason=told)
            raise ToolFailed(told) from None
        except Exception as error:  # noqa: BLE001  # the SDK raises errors of many kinds for odd answers
            if isinstance(error, _CONNECTION_ERRORS):
                self._reconnect(client)
            log.warning("a call of an MCP server failed", server=self._name, tool=name, reason=type(error).__name__)
            raise ToolFailed("The tool's server failed.") from None

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            # A task of its own: the SDK loses cancellations while it connects, and the worker must end all the same.
            connection = asyncio.create_task(self._end_of_connection())
            try:
                await asyncio.wait([connection])
            finally:
                self._client = None
                self._connected.clear()
                self._tried.set()
                if not connection.done():
                    connection.cancel()
                    self._lost.set()
                    self._changed.set()
                    await asyncio.wait([connection], timeout=_CLOSE_SECONDS)
            if loop.time() - began > _STABLE_SECONDS:
                self._backoff.reset()
            reason = "it was cancelled" if connection.cancelled() else connection.result()
            log.warning("an MCP server is away; connecting again", server=self._name, reason=reason[:300])
            await self._backoff.pause()

    async def _end_of_connection(self) -> str:
        """Connect, and return the reason when the connection is lost."""
        try:
            await self._connect_until_lost()
        except Exception as error:  # noqa: BLE001  # the worker serves its other tools and requests
            return _reason(error)
        return "it ended, or a call failed"

    async def _connect_until_lost(self) -> None:
        """Connect, and return when the connection is lost."""
        self._lost, self._changed, self._unanswered = asyncio.Event(), asyncio.Event(), 0
        client = Client(watched(self._transport(), self._lost, self._changed))
        async with asyncio.timeout(_CONNECT_SECONDS) as limit, client:
            self._definitions = await self._list_tools(client)
            limit.reschedule(None)
            self._client = client
            self._connected.set()
            self._tried.set()
            log.info("connected to an MCP server", server=self._name, tools=[tool.name for tool in self._definitions])
            while not self._lost.is_set():
                if await _is_set_within(_LIST_SECONDS, self._changed) and self._lost.is_set():
                    break
                await self._list_again(client)
                await _is_set_within(_LIST_PAUSE, self._lost)
            self._client = None
            self._connected.clear()

    async def _list_again(self, client: Client) -> None:
        """Replace the definitions, or keep them if the server does not list its tools now."""
        self._changed.clear()
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                self._definitions = await self._list_tools(client)
        except Exception as error:  # noqa: BLE001  # the calls of the connection go on
            log.warning("an MCP server does not list its tools again", server=self._name, reason=_reason(error)[:300])

    def _reconnect(self, client: Client) -> None:
        """Connect again, unless that was done since a call of this client began."""
        if self._client is client:
            self._client = None
            self._connected.clear()
            self._lost.set()
            self._changed.set()

    def _transport(self) -> AbstractAsyncContextManager[Any]:
        entry = self._entry
        if entry.command is not None:
            env = {name: os.environ[name] for name in entry.env if name in os.environ}
            return stdio_transport(entry.command, env)
        assert entry.url is not None
        token = os.environ.get(entry.token_variable or "", "")
        return http_transport(entry.url, {"Authorization": f"Bearer {token}"} if token else {}, self.timeout)

    async def _list_tools(self, client: Client) -> list[ToolDefinition]:
        found: dict[str, Tool] = {}
        cursor: str | None = None
        for _ in range(_MAX_PAGES):
            page = await client.list_tools(cursor=cursor)
            found |= {tool.name: tool for tool in page.tools if tool.name in self._entry.tools}
            if not (cursor := page.next_cursor):
                break
        if missing := [name for name in self._entry.tools if name not in found]:
            log.warning("an MCP server lacks tools of the file", server=self._name, tools=missing)
        return [definition for tool in found.values() if (definition := await self._definition_of(tool))]

    async def _definition_of(self, tool: Tool) -> ToolDefinition | None:
        try:
            await CallerSchema(tool.input_schema, tool.name).check()
        except InvalidPrompt as error:  # A provider would reject each request that has the tool.
            log.warning("a tool is left out: its schema cannot be used", server=self._name, reason=error.message)
            return None
        return ToolDefinition(model_name(tool.name), (tool.description or "")[:_MAX_DESCRIPTION], tool.input_schema)


def result_text(result: CallToolResult) -> str:
    """Return the result of a call as text. Content that is no text is described."""
    texts = [_content_text(each) for each in result.content]
    if not any(texts) and result.structured_content is not None:
        return compact_json(result.structured_content)
    return "\n".join(filter(None, texts))


def _content_text(content: Any) -> str:
    match content:
        case TextContent():
            return content.text
        case ResourceLink():
            return f"[Resource {content.name}: {content.uri}]"
        case EmbeddedResource():
            if isinstance(content.resource, BlobResourceContents):
                return f"[Resource {content.resource.uri}: no text]"
            return content.resource.text
        case _:
            return f"[{content.type} of type {content.mime_type}, which is not shown]"


async def _is_set_within(seconds: float, event: asyncio.Event) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


def _reason(error: BaseException) -> str:
    """Return the reason of a lost connection, without what the server wrote in an answer that cannot be read."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, ValidationError) or (isinstance(error, MCPError) and error.code == PARSE_ERROR):
        return UNREADABLE
    return f"{type(error).__name__}: {error}"
