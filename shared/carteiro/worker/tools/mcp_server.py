"""Tools of an MCP server (https://modelcontextprotocol.io/specification), over stdio or streamable HTTP."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

import anyio
import httpx2
import structlog
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import (
    CONNECTION_CLOSED,
    BlobResourceContents,
    CallToolResult,
    EmbeddedResource,
    ResourceLink,
    TextContent,
    Tool,
)

from carteiro.concurrency.backoff import Backoff
from carteiro.models.interface import ToolDefinition
from carteiro.models.json_output import compact_json
from carteiro.models.schema_limits import SchemaTooLarge, check_limits
from carteiro.settings.tools_file import ServerEntry, model_name
from carteiro.worker.tools.interface import ToolFailed, ToolSource

log = structlog.get_logger("carteiro.worker")

_CONNECT_SECONDS = 30.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 60.0
_CONNECTION_ERRORS = (OSError, httpx2.HTTPError, anyio.ClosedResourceError, anyio.BrokenResourceError)
_MAX_PAGES = 20
"""Most pages of a server's list of tools."""
_MAX_DESCRIPTION = 4096
_MAX_WAIT_SECONDS = 5.0
"""Time that a call waits for a server that is connected again."""
_MAX_UNANSWERED = 3
"""Calls in a row that are given up, after which the server is connected again: it may hang."""
_STABLE_SECONDS = 60.0
"""A server that ran for so long is restarted without the pauses of its earlier failures."""


class McpServer(ToolSource):
    """Tools of one MCP server, by an allow-list. A server that ends, or cannot be reached, is connected again."""

    def __init__(
        self, name: str, entry: ServerEntry, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """`name` is that of its entry."""
        self._name, self._entry = name, entry
        self._backoff = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE, sleep=sleep)
        self._client: Client | None = None
        self._connected, self._lost = asyncio.Event(), asyncio.Event()
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

    async def call(self, name: str, arguments: Mapping[str, Any], idempotency_key: str = "") -> str:  # noqa: ARG002
        try:
            async with asyncio.timeout(_MAX_WAIT_SECONDS):
                await self._connected.wait()
        except TimeoutError:
            raise ToolFailed("The tool's server is away.") from None
        client = self._client
        assert client is not None
        try:
            result = await client.call_tool(self._names[name], dict(arguments))
        except asyncio.CancelledError:
            self._unanswered += 1
            if self._unanswered >= _MAX_UNANSWERED:
                self._reconnect(client)
            raise
        except MCPError as error:
            if error.code != CONNECTION_CLOSED:
                raise ToolFailed(error.message) from None
            self._reconnect(client)
            raise ToolFailed("The tool's server ended before it answered.") from None
        except Exception as error:  # noqa: BLE001  # the SDK raises errors of many kinds for odd answers
            if isinstance(error, _CONNECTION_ERRORS):
                self._reconnect(client)
            log.warning("a call of an MCP server failed", server=self._name, tool=name, reason=type(error).__name__)
            raise ToolFailed("The tool's server failed.") from None
        self._unanswered = 0
        text = result_text(result)
        if result.is_error:
            raise ToolFailed(text or "The tool failed.")
        return text

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                await self._serve()
                reason = "it ended, or a call failed"
            except Exception as error:  # noqa: BLE001  # the worker serves its other tools and requests
                reason = f"{type(error).__name__}: {_innermost(error)}"
            finally:
                self._client = None
                self._connected.clear()
                self._tried.set()
            if loop.time() - began > _STABLE_SECONDS:
                self._backoff.reset()
            log.warning("an MCP server is away; connecting again", server=self._name, reason=reason[:300])
            await self._backoff.pause()

    async def _serve(self) -> None:
        """Connect, and return when the connection is lost."""
        self._lost, self._unanswered = asyncio.Event(), 0
        client = Client(_watched(self._transport(), self._lost))
        async with asyncio.timeout(_CONNECT_SECONDS) as limit, client:
            self._definitions = await self._list_tools(client)
            limit.reschedule(None)
            self._client = client
            self._connected.set()
            self._tried.set()
            log.info("connected to an MCP server", server=self._name, tools=[tool.name for tool in self._definitions])
            await self._lost.wait()
            self._client = None
            self._connected.clear()

    def _reconnect(self, client: Client) -> None:
        """Connect again, unless that was done since a call of this client began."""
        if self._client is client:
            self._client = None
            self._connected.clear()
            self._lost.set()

    def _transport(self) -> AbstractAsyncContextManager[Any]:
        entry = self._entry
        if entry.command is not None:
            program, *arguments = entry.command
            env = {name: os.environ[name] for name in entry.env if name in os.environ}
            return _stdio(
                StdioServerParameters(command=program, args=arguments, env=env, encoding_error_handler="replace")
            )
        assert entry.url is not None
        token = os.environ.get(entry.token_variable or "", "")
        return _http(entry.url, {"Authorization": f"Bearer {token}"} if token else {}, self.timeout)

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
        return [definition for tool in found.values() if (definition := self._definition_of(tool))]

    def _definition_of(self, tool: Tool) -> ToolDefinition | None:
        try:
            check_limits(tool.input_schema)
        except SchemaTooLarge as error:
            log.warning("a tool's schema is too large", server=self._name, tool=tool.name, reason=str(error))
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


@asynccontextmanager
async def _stdio(parameters: StdioServerParameters) -> AsyncIterator[Any]:
    # What a server writes to stderr may quote arguments.
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123, ASYNC230  # no disk is read
        async with stdio_client(parameters, errlog=nowhere) as streams:
            yield streams


@asynccontextmanager
async def _http(url: str, headers: Mapping[str, str], timeout: float) -> AsyncIterator[Any]:
    limits = httpx2.Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS))
    async with (
        httpx2.AsyncClient(headers=dict(headers), timeout=limits) as client,
        streamable_http_client(url, http_client=client) as streams,
    ):
        yield streams


@asynccontextmanager
async def _watched(transport: AbstractAsyncContextManager[Any], lost: asyncio.Event) -> AsyncIterator[Any]:
    """Open a transport whose end sets `lost`: a server that ended is connected again before it is needed."""
    async with transport as (reads, writes):
        yield _WatchedStream(reads, lost), writes


class _WatchedStream:
    """Stream that sets an event at its end."""

    def __init__(self, stream: Any, lost: asyncio.Event) -> None:
        self._stream, self._lost = stream, lost

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __aiter__(self) -> "_WatchedStream":
        return self

    async def __anext__(self) -> Any:
        try:
            return await self._stream.__anext__()
        except StopAsyncIteration:
            self._lost.set()
            raise

    async def __aenter__(self) -> "_WatchedStream":
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._stream.__aexit__(*error)


def _innermost(error: BaseException) -> BaseException:
    """Return the first error of nested groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
