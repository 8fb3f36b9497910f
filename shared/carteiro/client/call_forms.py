"""Forms of a call: each makes a method of a function that builds a request. The method has the function's arguments."""

import contextlib
import functools
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from typing import Any, Concatenate, ParamSpec, TypeVar

from carteiro.client.connection import KafkaConnection
from carteiro.client.errors import CarteiroError
from carteiro.client.event_loop_thread import EventLoopThread
from carteiro.client.request_builder import PreparedRequest, ResultT
from carteiro.schemas import OkReply, PartialReply

P = ParamSpec("P")
T = TypeVar("T")


class AsyncCaller:
    """Base of the calls that send requests over a connection."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection


class BlockingCaller:
    """Base of the calls that block a thread until those of an `AsyncCaller` are done on an event loop."""

    def __init__(self, caller: AsyncCaller, loop: EventLoopThread) -> None:
        self._caller, self._loop = caller, loop


def coroutine_method(
    build: Callable[P, PreparedRequest[ResultT]],
) -> Callable[Concatenate[AsyncCaller, P], Coroutine[Any, Any, OkReply[ResultT]]]:
    """Return the method that sends the request and returns its reply."""

    @functools.wraps(build)
    async def call(self: AsyncCaller, /, *args: P.args, **kwargs: P.kwargs) -> OkReply[ResultT]:
        return await self._connection.send_and_wait(build(*args, **kwargs))

    call.__qualname__ = f"Carteiro.{build.__name__}"
    return call


def streaming_method(
    build: Callable[P, PreparedRequest[ResultT]],
) -> Callable[Concatenate[AsyncCaller, P], AsyncGenerator[PartialReply | OkReply[ResultT], None]]:
    """Return the method that sends the request and yields the chunks of its reply."""

    @functools.wraps(build)
    async def call(
        self: AsyncCaller, /, *args: P.args, **kwargs: P.kwargs
    ) -> AsyncGenerator[PartialReply | OkReply[ResultT], None]:
        async with contextlib.aclosing(
            self._connection.stream_reply(build(*args, **kwargs).with_streaming())
        ) as chunks:
            async for chunk in chunks:
                yield chunk

    call.__qualname__ = f"StreamingCalls.{build.__name__}"
    return call


def blocking_method(
    method: Callable[Concatenate[AsyncCaller, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[BlockingCaller, P], T]:
    """Return the method that blocks until the coroutine of `method` is done."""

    @functools.wraps(method)
    def call(self: BlockingCaller, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._loop.run(method(self._caller, *args, **kwargs))

    return call


def iterator_method(
    method: Callable[Concatenate[AsyncCaller, P], AsyncGenerator[T, None]],
) -> Callable[Concatenate[BlockingCaller, P], Iterator[T]]:
    """Return the method that blocks until the next item of `method` is there."""

    @functools.wraps(method)
    def call(self: BlockingCaller, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return _iterate(method(self._caller, *args, **kwargs), self._loop)

    return call


def _iterate(items: AsyncGenerator[T, None], loop: EventLoopThread) -> Iterator[T]:
    try:
        while (item := loop.run(_next(items))) is not None:
            yield item
    finally:
        with contextlib.suppress(CarteiroError):
            loop.run(items.aclose())


async def _next(items: AsyncGenerator[T, None]) -> T | None:
    return await anext(items, None)
