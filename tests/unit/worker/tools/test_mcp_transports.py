"""Limits of what an MCP server may send."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from mcp.shared.message import SessionMessage
from mcp.types import JSONRPCNotification, JSONRPCRequest, JSONRPCResponse

from carteiro.worker.tools.mcp_transports import (
    MAX_ANSWER_BYTES,
    LongLine,
    has_many_values,
    read_lines,
    repaired,
    watched,
)


class Chunks:
    """Stream of chunks."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = list(chunks)

    async def receive(self) -> bytes:
        if not self.chunks:
            raise anyio.EndOfStream
        return self.chunks.pop(0)


async def lines(*chunks: bytes) -> list[Any]:
    return [line async for line in read_lines(Chunks(*chunks))]  # type: ignore[arg-type]


async def test_lines_are_cut_wherever_chunks_end() -> None:
    assert await lines(b"a", b"b\nc\n", b"\n\n", b"d", b"\n", b"no end") == [b"ab", b"c", b"d"]


async def test_long_line_is_told_before_its_end_and_others_are_read() -> None:
    half = b"x" * (MAX_ANSWER_BYTES // 2 + 1)
    stream = Chunks(b"a\n", b"begin", half, half, half)
    found = read_lines(stream)  # type: ignore[arg-type]
    assert await anext(found) == b"a"
    told = await anext(found)
    assert isinstance(told, LongLine)
    assert told.head.startswith(b"beginxx")
    assert len(told.head) < 1000
    stream.chunks += [half, b"\nb\n"]
    assert [line async for line in found] == [b"b"]


@pytest.mark.parametrize("length", [MAX_ANSWER_BYTES, MAX_ANSWER_BYTES + 1])
async def test_longest_line(length: int) -> None:
    (line,) = await lines(b"x" * length + b"\n")
    assert isinstance(line, LongLine) is (length > MAX_ANSWER_BYTES)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (r"\ud83d\ude00", r"\ud83d\ude00"),
        (r"\ud83d \ude00", r"\ufffd \ufffd"),
        (r"\\ud83d", r"\\ud83d"),
        (r"\\\ud83d", r"\\\ufffd"),
        (r"\uD83D\u0041", r"\ufffd\u0041"),
        (r"\ud83d\ud83d\ude00", r"\ufffd\ud83d\ude00"),
        (r"\n\"", r"\n\""),
        (r"\u12", r"\u12"),
    ],
)
def test_halves_of_characters_are_replaced(text: str, read: str) -> None:
    assert repaired(text.encode()) == read.encode()
    assert repaired(text.encode() + b"\xff") == read.encode() + "\ufffd".encode()


def test_values_are_counted_outside_of_strings() -> None:
    text = json.dumps({"text": '[{"a": "\\",,' * 50_000})
    assert not has_many_values(text.encode())
    assert has_many_values(json.dumps([text, [[]] * 60_000]).encode())
    assert not has_many_values(b'"' + b"," * 200_000 + b'"')


async def test_requests_of_a_server_that_does_not_read_the_answers_are_left_out() -> None:
    to_session, from_server = anyio.create_memory_object_stream[SessionMessage](100)
    to_server, from_session = anyio.create_memory_object_stream[SessionMessage](1)

    @asynccontextmanager
    async def transport() -> AsyncIterator[Any]:
        yield from_server, to_server

    async def send_requests(number: int) -> None:
        for _ in range(number):
            await to_session.send(SessionMessage(JSONRPCRequest(jsonrpc="2.0", id="s", method="ping")))
        await to_session.send(SessionMessage(JSONRPCNotification(jsonrpc="2.0", method="end")))

    async with watched(transport(), asyncio.Event(), asyncio.Event()) as (reads, writes):

        async def methods() -> list[str]:
            found = []
            async for received in reads:
                if received.message.method == "end":
                    break
                found.append(received.message.method)
            return found

        await send_requests(20)
        assert await methods() == ["ping"] * 16
        await writes.send(SessionMessage(JSONRPCResponse(jsonrpc="2.0", id="s", result={})))
        await send_requests(20)
        assert await methods() == ["ping"]
    for stream in (to_session, from_server, to_server, from_session):
        stream.close()
