"""Chunks of a reply: how they are grouped and numbered, and which of them a reader may use."""

import asyncio
import itertools

from hypothesis import given
from hypothesis import strategies as st

from carteiro.client.chunk_filter import ChunkFilter
from carteiro.schemas import PartialReply
from carteiro.worker import reply_stream
from carteiro.worker.reply_stream import ReplyStream
from tests.conftest import eventually


class SentChunks(list):
    """Chunks that were sent. Each send returns when `go` is set."""

    def __init__(self):
        self.go = asyncio.Event()
        self.go.set()
        self.failure = None

    async def __call__(self, piece):
        if self.failure:
            raise self.failure
        self.append(piece)
        await self.go.wait()

    @property
    def text(self):
        return "".join(piece.text for piece in self)


def make_stream(sent):
    return ReplyStream("chat", "t/0/1", sent)


async def test_first_chunk_is_sent_at_once_and_later_text_is_sent_together():
    sent = SentChunks()
    sent.go.clear()
    async with make_stream(sent) as running:
        write = running.start_attempt()
        write("a")
        await eventually(lambda: sent.text == "a")
        for character in "bcdef":
            write(character)
        sent.go.set()
        await running.end()
    assert [piece.text for piece in sent] == ["a", "bcdef"]
    assert [piece.seq for piece in sent] == [0, 1]
    assert running.next_seq == 2


def test_pauses_between_chunks_grow():
    assert list(itertools.islice(reply_stream.pauses(), 7)) == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


async def test_empty_text_is_not_streamed():
    sent = SentChunks()
    async with make_stream(sent) as running:
        running.start_attempt()("")
        await running.end()
    assert (list(sent), running.next_seq) == ([], None)


async def test_next_call_starts_over_and_text_of_the_earlier_call_is_ignored():
    sent = SentChunks()
    async with make_stream(sent) as running:
        first = running.start_attempt()
        first("wro")
        await eventually(lambda: sent.text == "wro")
        second = running.start_attempt()
        first("ng")
        second("right")
        await running.end()
    assert [(piece.seq, piece.text) for piece in sent] == [(0, "wro"), (0, "right")]
    assert sent[0].attempt != sent[1].attempt


async def test_restart_voids_earlier_chunks_and_starts_another_attempt():
    sent = SentChunks()
    async with make_stream(sent) as running:
        write = running.start_attempt()
        write("Hm, ")
        await eventually(lambda: sent.text == "Hm, ")
        write("a capital.")
        write.restart()
        write("Lisbon.")
        await running.end()
    assert [(piece.seq, piece.text) for piece in sent] == [(0, "Hm, "), (0, "Lisbon.")]
    assert sent[0].attempt != sent[1].attempt
    assert running.next_seq == 1


async def test_restart_of_an_earlier_call_does_nothing():
    sent = SentChunks()
    async with make_stream(sent) as running:
        first = running.start_attempt()
        second = running.start_attempt()
        second("Lis")
        first.restart()
        first("no")
        second("bon.")
        await running.end()
    assert sent.text == "Lisbon."


async def test_failed_send_ends_the_stream_and_fails_no_request():
    sent = SentChunks()
    async with make_stream(sent) as running:
        write = running.start_attempt()
        sent.failure = ConnectionError()
        write("a")
        await eventually(lambda: running._send_task is not None and running._send_task.done())
        sent.failure = None
        write("b")
        await running.end()
    assert list(sent) == []


async def test_cancel_ends_the_sending():
    sent = SentChunks()
    sent.go.clear()
    async with make_stream(sent) as running:
        running.start_attempt()("a")
        await eventually(lambda: len(sent) == 1)
    assert running._send_task.cancelled()


def piece(attempt, seq):
    return PartialReply(task="chat", request_id="t/0/1", attempt=attempt, seq=seq, text=f"{attempt}{seq}")


def passed(*pieces):
    in_order = ChunkFilter()
    return [each.text for each in pieces if in_order.passes(each)]


def test_reader_sees_each_number_once():
    assert passed(piece("a", 0), piece("a", 0), piece("a", 1), piece("a", 1), piece("a", 2)) == ["a0", "a1", "a2"]


def test_reader_sees_nothing_after_a_gap():
    assert passed(piece("a", 0), piece("a", 2), piece("a", 3)) == ["a0"]


def test_reader_follows_the_latest_attempt():
    """A worker that was cut off may go on writing for a while."""
    assert passed(piece("a", 0), piece("b", 0), piece("a", 1), piece("b", 1)) == ["a0", "b0", "b1"]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3)), max_size=12))
def test_reader_sees_a_prefix_since_the_last_chunk_0(order):
    seen = passed(*(piece(*each) for each in order))
    if seen:
        began = max(at for at, text in enumerate(seen) if text.endswith("0"))
        assert seen[began:] == [f"{seen[began][0]}{number}" for number in range(len(seen) - began)]
