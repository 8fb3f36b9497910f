"""Connections to MCP servers, over which no answer costs much memory or time, whatever a server sends."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from subprocess import DEVNULL
from typing import Any, Self

import anyio
import httpx2
import structlog
from anyio.abc import ByteReceiveStream, Process
from mcp.client.stdio import get_default_environment
from mcp.client.streamable_http import streamable_http_client
from mcp.os.posix.utilities import terminate_posix_process_tree
from mcp.shared.message import SessionMessage
from mcp.types import (
    INTERNAL_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    jsonrpc_message_adapter,
)
from mcp.types.methods import validate_server_result
from pydantic import ValidationError

log = structlog.get_logger("carteiro.worker")

MAX_ANSWER_BYTES = 4 * 1024 * 1024
"""Maximum bytes of one message of a server: room for an image of 3 MiB in base64, which is then described in words."""
_MAX_VALUES = 100_000
"""Maximum number of values of JSON in a message: each is an object of Python, and the SDK copies them several times."""
TOO_LONG = f"The tool's answer has more than {MAX_ANSWER_BYTES >> 20} MiB or {_MAX_VALUES:,} values."
UNREADABLE = "The tool's server gave no answer that can be read."
TRANSPORT_FAILED = -32090
"""Code of errors that are made here, in our words, in the place of an answer."""
_MAX_REQUESTS = 16
"""Maximum number of a server's requests that wait for answers. Others are left out: the SDK has a task for each."""
_EXIT_SECONDS = 2.0
"""Time for a program to end after its standard input is closed, and again after SIGTERM."""
_CONNECT_SECONDS = 30.0
_MIN_GET_SECONDS = 1.0
"""Shortest time between two streams of a server's notices. The SDK opens the next at once if the server asks for it."""
_HEAD_BYTES = 256
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_EVENT_END = re.compile(rb"\n\n|\r\r|\n\r\n")
_PROTOCOL = "2025-11-25"
"""Version that tools are checked by. Later ones permit more in schemas of results, which are left out."""
_HALF_CHARACTER = re.compile(rb"\\u[dD][89a-fA-F]")
_ESCAPES = re.compile(
    rb"(?:\\\\)+|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)
"""Escaped backslashes, characters as pairs of surrogates, and halves of such pairs."""
_ANSWER_ID = re.compile(rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*(\d{1,15})\s*,')
"""Beginning of an answer as servers write it. The ids are ours, which are numbers."""


class AnswerTooLong(httpx2.StreamError):
    """An answer is too long, or compressed, so that its length is not known."""


class AnswerLost(httpx2.StreamError):
    """A connection ended in the middle of an answer."""


@asynccontextmanager
async def stdio_transport(command: Sequence[str], variables: Mapping[str, str]) -> AsyncIterator[Any]:
    """Start a program, and yield the streams to and from its standard output and input. At the end, end it and all
    that it started. It gets `variables` besides PATH, HOME and the like.

    Raise `OSError` if it cannot be started.
    """
    # What a server writes to stderr may quote arguments.
    environment = get_default_environment() | dict(variables)
    process = await anyio.open_process(list(command), stderr=DEVNULL, env=environment, start_new_session=True)
    assert process.stdin is not None
    assert process.stdout is not None
    to_session, from_server = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    # A program that does not read must not hold up a call that is given up: the SDK sends a notice of that first.
    to_server, from_session = anyio.create_memory_object_stream[SessionMessage](_MAX_REQUESTS)

    all_read = anyio.Event()

    async def read() -> None:
        assert process.stdout is not None
        async with to_session:
            try:
                async for line in read_lines(process.stdout):
                    if (message := _read_message(line)) is not None:
                        await to_session.send(message)
            except AnswerTooLong:
                log.warning("an MCP server sent too long an answer to an unknown call", program=command[0])
            except (anyio.ClosedResourceError, anyio.BrokenResourceError):
                pass  # The session has ended.
        # What is left is read all the same, so that the program can end.
        async for _ in read_lines(process.stdout):
            pass
        all_read.set()

    async def write() -> None:
        assert process.stdin is not None
        with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError, OSError):
            async for sent in from_session:
                line = sent.message.model_dump_json(by_alias=True, exclude_unset=True)
                await process.stdin.send(line.encode(errors="replace") + b"\n")
        await to_session.aclose()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        tasks.start_soon(write)
        try:
            yield from_server, to_server
        finally:
            with anyio.CancelScope(shield=True):
                from_server.close()
                to_server.close()
                await _end(process)
                with anyio.move_on_after(_EXIT_SECONDS):  # A descendant may hold the pipe open.
                    await all_read.wait()
            tasks.cancel_scope.cancel()


async def _end(process: Process) -> None:
    """End a program as the specification says: close its standard input, wait, and send signals."""
    assert process.stdin is not None
    with suppress(OSError, anyio.BrokenResourceError):
        await process.stdin.aclose()
    with anyio.move_on_after(_EXIT_SECONDS):
        await process.wait()
    await terminate_posix_process_tree(process, _EXIT_SECONDS)


@dataclass(frozen=True, slots=True)
class LongLine:
    """A line that is longer than `MAX_ANSWER_BYTES`, by its beginning."""

    head: bytes


async def read_lines(stream: ByteReceiveStream) -> AsyncIterator[bytes | LongLine]:
    """Yield the lines of a stream. A line that is too long is told as soon as that is known, and then discarded."""
    pieces: list[bytes] = []
    size = 0
    with suppress(anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError, OSError):
        while True:
            first, *others = (await stream.receive()).split(b"\n")
            for number, piece in enumerate([first, *others]):
                if number:
                    if 0 < size <= MAX_ANSWER_BYTES:
                        yield b"".join(pieces)
                    pieces, size = [], 0
                was_long, size = size > MAX_ANSWER_BYTES, size + len(piece)
                if size <= MAX_ANSWER_BYTES:
                    pieces.append(piece)
                elif not was_long:
                    yield LongLine(b"".join([*pieces, piece])[:_HEAD_BYTES])
                    pieces = []


def _read_message(line: bytes | LongLine) -> SessionMessage | None:
    """Return the message in a line, or an error in the place of an answer that is too long or cannot be read. Return
    None for other lines.

    Raise `AnswerTooLong` for the answer to a call that is not known.
    """
    if isinstance(line, LongLine) or has_many_values(line):
        head = line.head if isinstance(line, LongLine) else line[:_HEAD_BYTES]
        if (error := _error_for(head, INTERNAL_ERROR, TOO_LONG)) is not None or b'"method"' in head:
            return error
        raise AnswerTooLong(TOO_LONG)
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(repaired(line), by_name=False))
    except ValueError:
        return _error_for(line[:_HEAD_BYTES], TRANSPORT_FAILED, UNREADABLE)


def _error_for(head: bytes, code: int, message: str) -> SessionMessage | None:
    """Return an error in the place of the answer that begins so; None if its call is not known."""
    if (found := _ANSWER_ID.match(head)) is None:
        return None
    error = ErrorData(code=code, message=message)
    return SessionMessage(JSONRPCError(jsonrpc="2.0", id=int(found[1]), error=error))


def repaired(message: bytes) -> bytes:
    """Return JSON in UTF-8 without halves of characters. Servers that cut a text at an emoji leave such a half."""
    message = message.decode(errors="replace").encode()
    if _HALF_CHARACTER.search(message) is None:
        return message
    return _ESCAPES.sub(lambda found: rb"\ufffd" if len(found[0]) == 6 and found[0][1:2] == b"u" else found[0], message)


def has_many_values(message: bytes) -> bool:
    """Return True if a message has too many values of JSON."""
    if _count_values(message) <= _MAX_VALUES:
        return False
    return _count_values(_STRING.sub(b"", message)) > _MAX_VALUES


def _count_values(message: bytes) -> int:
    """Return the number of values, or a larger one if strings have such characters too."""
    return sum(map(message.count, (b",", b"[", b"{")))


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
            if self._answers.waiting < _MAX_REQUESTS:
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
