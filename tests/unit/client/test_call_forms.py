"""The four forms of a call."""

import asyncio
import gc
import inspect
import warnings
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import pytest

from carteiro.client.call_forms import (
    AsyncCaller,
    BlockingCaller,
    blocking_method,
    coroutine_method,
    iterator_method,
    streaming_method,
)
from carteiro.client.errors import CarteiroError
from carteiro.client.event_loop_thread import EventLoopThread
from carteiro.client.request_builder import PreparedRequest
from carteiro.client.task_requests import summarize
from carteiro.schemas import OkReply, PartialReply, Timing, Usage
from carteiro.schemas.summarize import SummarizeResult

REPLY = OkReply(
    task="summarize",
    request_id="t/0/0",
    result=SummarizeResult(summary="Short.", parts=1),
    model="m",
    usage=Usage(),
    timing=Timing(queue_ms=0, work_ms=0),
)
CHUNK = PartialReply(task="summarize", request_id="t/0/0", attempt="a", seq=0, text="Sh")


class FakeConnection:
    """Connection that notes requests and has one reply."""

    def __init__(self) -> None:
        self.sent: list[PreparedRequest[Any]] = []
        self.closed = asyncio.Event()

    async def send_and_wait(self, prepared: PreparedRequest[Any]) -> OkReply[Any]:
        self.sent.append(prepared)
        return REPLY

    async def stream_reply(self, prepared: PreparedRequest[Any]) -> AsyncGenerator[PartialReply | OkReply[Any], None]:
        self.sent.append(prepared)
        try:
            yield CHUNK
            yield REPLY
        finally:
            self.closed.set()


class Coroutines(AsyncCaller):
    summarize = coroutine_method(summarize)


class Streams(AsyncCaller):
    summarize = streaming_method(summarize)


class Blocking(BlockingCaller):
    summarize = blocking_method(Coroutines.summarize)


class Iterators(BlockingCaller):
    summarize = iterator_method(Streams.summarize)


@pytest.fixture
def loop() -> Iterator[EventLoopThread]:
    thread = EventLoopThread()
    thread.start()
    yield thread
    thread.stop()


async def test_coroutine_sends_the_request_and_returns_the_reply() -> None:
    connection = FakeConnection()
    assert await Coroutines(connection).summarize("x", length="short", seed=1) is REPLY
    (prepared,) = connection.sent
    assert (prepared.request.length, prepared.request.options.seed) == ("short", 1)


async def test_stream_yields_the_chunks_and_asks_for_them() -> None:
    connection = FakeConnection()
    assert [each async for each in Streams(connection).summarize("x")] == [CHUNK, REPLY]
    assert connection.sent[0].request.options.stream


async def test_stream_that_is_left_closes_its_request() -> None:
    connection = FakeConnection()
    chunks = Streams(connection).summarize("x")
    assert await anext(chunks) == CHUNK
    await chunks.aclose()
    assert connection.closed.is_set()


def test_blocking_call_returns_the_reply(loop: EventLoopThread) -> None:
    assert Blocking(Coroutines(FakeConnection()), loop).summarize("x") is REPLY


def test_iterator_yields_the_chunks(loop: EventLoopThread) -> None:
    assert list(Iterators(Streams(FakeConnection()), loop).summarize("x")) == [CHUNK, REPLY]


def test_iterator_that_is_left_closes_its_request(loop: EventLoopThread) -> None:
    connection = FakeConnection()
    for _ in Iterators(Streams(connection), loop).summarize("x"):
        break
    gc.collect()
    assert connection.closed.is_set()


def test_blocking_call_before_the_start_is_an_error() -> None:
    with pytest.raises(CarteiroError, match="not started"):
        Blocking(Coroutines(FakeConnection()), EventLoopThread()).summarize("x")


def test_call_keeps_the_signature_of_its_builder() -> None:
    assert list(inspect.signature(Coroutines.summarize).parameters) == ["text", "style", "length", "call"]
    assert inspect.iscoroutinefunction(Coroutines.summarize)


def test_forgotten_await_names_the_call_of_the_client() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Coroutines(FakeConnection()).summarize("x")
        gc.collect()
    assert [str(each.message) for each in caught] == ["coroutine 'Carteiro.summarize' was never awaited"]
