"""The connection to an MCP server by streamable HTTP."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
from mcp.client.streamable_http import streamable_http_client
from mcp.types import JSONRPCError
from pydantic import ValidationError

from carteiro.worker.tools.mcp_connection.limits import (
    MAX_ANSWER_BYTES,
    TOO_LONG,
    TRANSPORT_FAILED,
    UNREADABLE,
    AnswerLost,
    AnswerTooLong,
    has_many_values,
    repaired,
)

_CONNECT_SECONDS = 30.0
_MIN_GET_SECONDS = 1.0
"""Shortest time between two streams of a server's notices. The SDK opens the next at once if the server asks for it."""
_EVENT_END = re.compile(rb"\n\n|\r\r|\n\r\n")


@asynccontextmanager
async def http_transport(url: str, headers: Mapping[str, str], timeout: float) -> AsyncIterator[Any]:
    """Yield the streams to and from a server by streamable HTTP. `timeout` is in seconds."""
    limits = httpx2.Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS))
    client = _PostClient(
        headers={**headers, "Accept-Encoding": "identity"}, timeout=limits, event_hooks={"response": [_limit_body]}
    )
    async with (
        client,
        streamable_http_client(url, http_client=client, max_sse_event_size=None) as streams,
    ):
        yield streams


class _PostClient(httpx2.AsyncClient):
    """Client that answers a request in our words if the server cannot.

    The SDK would end the session for an error, and so lose the calls of other requests.
    """

    _next_get = 0.0
    """Time of the event loop from which on a stream of notices may be opened."""

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        if request.method == "GET":
            now = anyio.current_time()
            begin = max(now, self._next_get)
            self._next_get = begin + _MIN_GET_SECONDS
            await anyio.sleep(begin - now)
        try:
            response = await super().send(request, **options)
        except httpx2.TransportError as error:
            if request.method != "POST":
                raise
            is_late = isinstance(error, httpx2.TimeoutException)
            return _refusal(request, "did not answer in time" if is_late else "cannot be reached")
        # The SDK takes a status of 404 as the end of the session, if there is one.
        is_forgotten = response.status_code == 404 and "mcp-session-id" in request.headers
        if request.method != "POST" or response.status_code < 400 or is_forgotten or await _has_error(response):
            return response
        await response.aclose()
        return _refusal(request, f"answered with the HTTP status {response.status_code}")


def _refusal(request: httpx2.Request, told: str) -> httpx2.Response:
    error = {"code": TRANSPORT_FAILED, "message": f"The tool's server {told}."}
    return httpx2.Response(502, request=request, json={"jsonrpc": "2.0", "id": None, "error": error})


async def _has_error(response: httpx2.Response) -> bool:
    """Return True if the body is an error of the protocol."""
    try:
        JSONRPCError.model_validate_json(await response.aread())
    except (httpx2.StreamError, httpx2.TransportError, ValidationError):
        return False
    return True


async def _limit_body(response: httpx2.Response) -> None:
    """Have a body, or a stream of events, end with an error if it, or an event, is too long."""
    is_stream = response.headers.get("content-type", "").lower().startswith("text/event-stream")
    is_compressed = response.headers.get("content-encoding", "identity").lower() != "identity"
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    max_bytes = 0 if is_compressed else MAX_ANSWER_BYTES
    response.stream = _LimitedBody(response.stream, max_bytes, _EVENT_END if is_stream else None)


class _LimitedBody(httpx2.AsyncByteStream):
    """Body that is handed on message by message: at the `end` of an event, or whole if there are no events."""

    def __init__(self, stream: httpx2.AsyncByteStream, max_bytes: int, end: re.Pattern[bytes] | None) -> None:
        self._stream, self._max_bytes, self._end = stream, max_bytes, end

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = bytearray()
        try:
            async for chunk in self._stream:
                begin = max(len(read) - 2, 0)
                read += chunk
                ends = [found.end() for found in self._end.finditer(read, begin)] if self._end else []
                if ends:
                    yield self._checked(bytes(read[: ends[-1]]))
                    del read[: ends[-1]]
                if len(read) > self._max_bytes:
                    raise self._error()
        except httpx2.SSEError:
            raise
        except httpx2.TransportError:
            raise AnswerLost(UNREADABLE) from None
        yield self._checked(bytes(read))

    def _checked(self, message: bytes) -> bytes:
        if len(message) > self._max_bytes or has_many_values(message):
            raise self._error()
        return repaired(message)

    def _error(self) -> Exception:
        # The SDK makes an answer of each of these.
        return AnswerTooLong(TOO_LONG) if self._end is None else httpx2.SSEError(TOO_LONG)

    async def aclose(self) -> None:
        await self._stream.aclose()
