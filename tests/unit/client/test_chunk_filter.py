"""Order of the chunks of a streamed reply."""

import pytest

from carteiro.client.chunk_filter import ChunkFilter
from carteiro.schemas import PartialReply


def chunk(attempt: str, seq: int) -> PartialReply:
    return PartialReply(task="chat", request_id="t/0/0", attempt=attempt, seq=seq, text=f"{attempt}{seq}")


@pytest.mark.parametrize(
    ("received", "passed"),
    [
        (["a0", "a1", "a2"], ["a0", "a1", "a2"]),
        (["a0", "a0", "a1"], ["a0", "a1"]),
        (["a0", "a2", "a1"], ["a0", "a1"]),
        (["a1", "a2"], []),
        (["a0", "b0", "a1", "b1"], ["a0", "b0", "b1"]),
    ],
)
def test_chunk_passes_only_as_the_next_one_of_its_call(received: list[str], passed: list[str]) -> None:
    chunks = ChunkFilter()
    given = [chunk(each[0], int(each[1])) for each in received]
    assert [each.text for each in given if chunks.passes(each)] == passed
