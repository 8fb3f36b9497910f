"""The client for code without an event loop."""

import asyncio
import functools
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from carteiro.client.asking import Asking, ResultT
from carteiro.client.client import Carteiro
from carteiro.client.errors import CarteiroError
from carteiro.schemas import OkReply

P = ParamSpec("P")
R = TypeVar("R")


def _blocking(
    method: Callable[Concatenate[Carteiro, P], Asking[ResultT]],
) -> Callable[Concatenate["SyncCarteiro", P], OkReply[ResultT]]:
    @functools.wraps(method)
    def call(self: "SyncCarteiro", /, *args: P.args, **kwargs: P.kwargs) -> OkReply[ResultT]:
        return self._run(method(self._client, *args, **kwargs).reply())

    return call


class SyncCarteiro:
    """`Carteiro` with calls that block, for scripts without an event loop; it is given what `Carteiro` is given.

        with SyncCarteiro("localhost:9092") as carteiro:
            print(carteiro.summarize(text).result.summary)

    A call returns the whole reply, also with `stream`: pieces need the asynchronous client.
    It runs on an event loop in a thread of its own, so calls may come from any number of threads.
    """

    def __init__(self, bootstrap_servers: str = "localhost:9092", **options: Any) -> None:
        self._client = Carteiro(bootstrap_servers, **options)
        self._loop: asyncio.AbstractEventLoop | None = None

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="carteiro", daemon=True)
        self._thread.start()
        try:
            self._run(self._client.start())
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._run(self._client.stop())
        finally:
            self._end()

    def _end(self) -> None:
        loop, self._loop = self._loop, None
        if loop:
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join()
            loop.close()

    def _run(self, work: Coroutine[Any, Any, R]) -> R:
        if self._loop is None:
            work.close()
            raise CarteiroError("the client is not started: use it in `with`")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # a Ctrl-C here ends the call there
            raise

    ask = _blocking(Carteiro.ask)
    generate = _blocking(Carteiro.generate)
    translate = _blocking(Carteiro.translate)
    chat = _blocking(Carteiro.chat)
    sentiment = _blocking(Carteiro.sentiment)
    answer = _blocking(Carteiro.answer)
    summarize = _blocking(Carteiro.summarize)
