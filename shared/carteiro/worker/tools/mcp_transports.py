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
    JSONRPCRequest,
    JSONRPCResponse,
    jsonrpc_message_adapter,
)

log = structlog.get_logger("carteiro.worker")

MAX_ANSWER_BYTES = 4 * 1024 * 1024
"""Maximum bytes of one message of a server: room for an image of 3 MiB in base64, which is then described in words."""
_MAX_VALUES = 100_000
"""Maximum number of values of JSON in a message: each is an object of Python, and the SDK copies them several times."""
TOO_LONG = f"The tool's answer has more than {MAX_ANSWER_BYTES >> 20} MiB or {_MAX_VALUES:,} values."
_MAX_REQUESTS = 16
"""Maximum number of a server's requests that wait for answers. Others are left out: the SDK has a task for each."""
_EXIT_SECONDS = 2.0
"""Time for a program to end after its standard input is closed, and again after SIGTERM."""
_CONNECT_SECONDS = 30.0
_HEAD_BYTES = 256
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_EVENT_END = re.compile(rb"\n\n|\r\r|\n\r\n")
_ANSWER_ID = re.compile(rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*(\d{1,15})\s*,')
"""Beginning of an answer as servers write it. The ids are ours, which are numbers."""


class AnswerTooLong(httpx2.StreamError):
    """An answer is too long, or compressed, so that its length is not known."""


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
    to_server, from_session = anyio.create_memory_object_stream[SessionMessage](0)

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
    """Return the message in a line, or an error in the place of an answer that is too long. Return None for a line that
    is no message, and for one without an answer that is too long.

    Raise `AnswerTooLong` for the answer to a call that is not known.
    """
    if isinstance(line, LongLine) or has_many_values(line):
        head = line.head if isinstance(line, LongLine) else line[:_HEAD_BYTES]
        if (found := _ANSWER_ID.match(head)) is not None:
            error = ErrorData(code=INTERNAL_ERROR, message=TOO_LONG)
            return SessionMessage(JSONRPCError(jsonrpc="2.0", id=int(found[1]), error=error))
        if b'"method"' in head:
            return None
        raise AnswerTooLong(TOO_LONG)
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line.decode(errors="replace"), by_name=False))
    except ValueError:
        return None


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
    client = httpx2.AsyncClient(
        headers={**headers, "Accept-Encoding": "identity"}, timeout=limits, event_hooks={"response": [_limit_body]}
    )
    async with (
        client,
        streamable_http_client(url, http_client=client, max_sse_event_size=None) as streams,
    ):
        yield streams


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
        async for chunk in self._stream:
            begin = max(len(read) - 2, 0)
            read += chunk
            ends = [found.end() for found in self._end.finditer(read, begin)] if self._end else []
            if ends:
                yield self._checked(bytes(read[: ends[-1]]))
                del read[: ends[-1]]
            if len(read) > self._max_bytes:
                raise self._error()
        yield self._checked(bytes(read))

    def _checked(self, message: bytes) -> bytes:
        if len(message) > self._max_bytes or has_many_values(message):
            raise self._error()
        return message

    def _error(self) -> Exception:
        # The SDK makes an answer of each of these.
        return AnswerTooLong(TOO_LONG) if self._end is None else httpx2.SSEError(TOO_LONG)

    async def aclose(self) -> None:
        await self._stream.aclose()


@asynccontextmanager
async def watched(transport: Any, lost: asyncio.Event) -> AsyncIterator[Any]:
    """Open a transport whose end sets `lost`: a server that ended is connected again before it is needed."""
    async with transport as (reads, writes):
        answers = _AnswerStream(writes)
        yield _WatchedStream(reads, lost, answers), answers


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
    """Stream of a server's messages that sets an event at its end.

    Schemas of results are left out: the SDK would apply them in the event loop, and some take exponential time. So are
    requests of a server that does not read the answers.
    """

    def __init__(self, stream: Any, lost: asyncio.Event, answers: _AnswerStream) -> None:
        super().__init__(stream)
        self._lost, self._answers = lost, answers

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        while True:
            try:
                received = await self._stream.__anext__()
            except StopAsyncIteration:
                self._lost.set()
                raise
            message = received.message if isinstance(received, SessionMessage) else None
            if isinstance(message, JSONRPCResponse):
                _leave_out_result_schemas(message)
            if not isinstance(message, JSONRPCRequest):
                return received
            if self._answers.waiting < _MAX_REQUESTS:
                self._answers.waiting += 1
                return received


def _leave_out_result_schemas(message: JSONRPCResponse) -> None:
    tools = message.result.get("tools")
    for tool in tools if isinstance(tools, list) else ():
        if isinstance(tool, dict):
            tool.pop("outputSchema", None)
