from typing import Any

import anyio
import pytest

from carteiro.worker.tools.mcp_connection.limits import MAX_ANSWER_BYTES
from carteiro.worker.tools.mcp_connection.stdio import LongLine, read_lines


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
