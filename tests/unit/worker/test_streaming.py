"""Pieces of a reply: how they are batched and numbered, and which of them a reader may use."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from carteiro.client.asking import InOrder
from carteiro.schemas import PartialReply
from carteiro.worker import streaming
from carteiro.worker.streaming import Stream
from tests.conftest import eventually


class Sent(list):
    """What was sent; each sending ends when `go` is set."""

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


def stream(sent):
    return Stream("chat", "t/0/1", sent)


async def test_the_first_piece_goes_at_once_and_what_is_written_meanwhile_goes_together():
    sent = Sent()
    sent.go.clear()
    async with stream(sent) as running:
        say = running.begin()
        say("a")
        await eventually(lambda: sent.text == "a")
        for letter in "bcdef":
            say(letter)
        sent.go.set()
        await running.end()
    assert [piece.text for piece in sent] == ["a", "bcdef"]
    assert [piece.seq for piece in sent] == [0, 1]
    assert running.next_seq == 2


async def test_pauses_grow(monkeypatch):
    pauses = []

    async def wait_for(waiting, pause):
        waiting.close()
        pauses.append(pause)
        await asyncio.sleep(0)
        raise TimeoutError

    monkeypatch.setattr(streaming.asyncio, "wait_for", wait_for)
    sent = Sent()
    async with stream(sent) as running:
        say = running.begin()
        for number in range(7):
            say("x")
            await eventually(lambda number=number: len(pauses) == number + 1)
    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


async def test_nothing_written_is_nothing_streamed():
    sent = Sent()
    async with stream(sent) as running:
        running.begin()("")
        await running.end()
    assert (list(sent), running.next_seq) == ([], None)


async def test_another_call_begins_anew_and_the_earlier_one_is_heard_no_more():
    sent = Sent()
    async with stream(sent) as running:
        first = running.begin()
        first("wro")
        await eventually(lambda: sent.text == "wro")
        second = running.begin()
        first("ng")
        second("right")
        await running.end()
    assert [(piece.seq, piece.text) for piece in sent] == [(0, "wro"), (0, "right")]
    assert sent[0].attempt != sent[1].attempt


async def test_a_piece_that_cannot_be_sent_ends_the_stream_and_fails_nothing():
    sent = Sent()
    async with stream(sent) as running:
        say = running.begin()
        sent.failure = ConnectionError()
        say("a")
        await eventually(lambda: running._sending is not None and running._sending.done())
        sent.failure = None
        say("b")
        await running.end()
    assert list(sent) == []


async def test_giving_up_ends_the_sending():
    sent = Sent()
    sent.go.clear()
    async with stream(sent) as running:
        running.begin()("a")
        await eventually(lambda: len(sent) == 1)
    assert running._sending.cancelled()


def piece(attempt, seq):
    return PartialReply(task="chat", request_id="t/0/1", attempt=attempt, seq=seq, text=f"{attempt}{seq}")


def passed(*pieces):
    in_order = InOrder()
    return [each.text for each in pieces if in_order.passes(each)]


def test_a_reader_sees_each_number_once():
    assert passed(piece("a", 0), piece("a", 0), piece("a", 1), piece("a", 1), piece("a", 2)) == ["a0", "a1", "a2"]


def test_a_reader_sees_nothing_after_a_gap():
    assert passed(piece("a", 0), piece("a", 2), piece("a", 3)) == ["a0"]


def test_a_reader_follows_the_call_that_began_last():
    """A worker that was cut off may go on writing for a while."""
    assert passed(piece("a", 0), piece("b", 0), piece("a", 1), piece("b", 1)) == ["a0", "b0", "b1"]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3)), max_size=12))
def test_what_a_reader_sees_since_the_last_0_is_a_beginning(order):
    seen = passed(*(piece(*each) for each in order))
    if seen:
        began = max(at for at, text in enumerate(seen) if text.endswith("0"))
        assert seen[began:] == [f"{seen[began][0]}{number}" for number in range(len(seen) - began)]
