"""Client for code without an event loop."""

from types import TracebackType
from typing import Any, Self

from carteiro.client.calls import BlockingCalls, IteratorCalls
from carteiro.client.client import Carteiro
from carteiro.client.event_loop_thread import EventLoopThread


class SyncCarteiro(BlockingCalls):
    """`Carteiro` with blocking calls, for scripts without an event loop. It takes the same arguments as `Carteiro`.

        with SyncCarteiro("localhost:9092") as carteiro:
            print(carteiro.summarize(text).result.summary)
            for piece in carteiro.stream.chat("Why is the sky blue?"):
                if piece.status == "partial":
                    print(piece.text, end="")

    It runs an event loop in a thread of its own, so calls may come from any number of threads.
    """

    def __init__(self, bootstrap_servers: str = "localhost:9092", **options: Any) -> None:
        self._client = Carteiro(bootstrap_servers, **options)
        super().__init__(self._client, EventLoopThread())

    @property
    def stream(self) -> IteratorCalls:
        """Same calls for `for` over the chunks of the reply."""
        return IteratorCalls(self._client.stream, self._loop)

    def __enter__(self) -> Self:
        self._loop.start()
        try:
            self._loop.run(self._client.start())
        except BaseException:
            self._loop.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._loop.run(self._client.stop())
        finally:
            self._loop.stop()
