"""The connection to an MCP server that is a program."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from subprocess import DEVNULL
from typing import Any

import anyio
import structlog
from anyio.abc import ByteReceiveStream, Process
from mcp.client.stdio import get_default_environment
from mcp.os.posix.utilities import terminate_posix_process_tree
from mcp.shared.message import SessionMessage
from mcp.types import INTERNAL_ERROR, ErrorData, JSONRPCError, jsonrpc_message_adapter

from carteiro.worker.tools.mcp_connection.limits import (
    MAX_ANSWER_BYTES,
    MAX_REQUESTS,
    TOO_LONG,
    TRANSPORT_FAILED,
    UNREADABLE,
    AnswerTooLong,
    has_many_values,
    repaired,
)

log = structlog.get_logger("carteiro.worker")

_EXIT_SECONDS = 2.0
"""Time for a program to end after its standard input is closed, and again after SIGTERM."""
_HEAD_BYTES = 256
_ANSWER_ID = re.compile(rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*(\d{1,15})\s*,')
"""Beginning of an answer as servers write it. The ids are ours, which are numbers."""


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
    to_server, from_session = anyio.create_memory_object_stream[SessionMessage](MAX_REQUESTS)

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
