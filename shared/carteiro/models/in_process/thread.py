"""The one thread that owns a model."""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


def settle(
    loop: asyncio.AbstractEventLoop, future: asyncio.Future[T], result: T, error: BaseException | None = None
) -> None:
    """Give a result, or an error instead, to whoever waits for it on the event loop; asked on any thread."""

    def set_future() -> None:
        if not future.done():
            future.set_result(result) if error is None else future.set_exception(error)

    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(set_future)


@dataclass(frozen=True, slots=True)
class _Job:
    work: Callable[[threading.Event], Any]
    abandoned: threading.Event
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    begins: Callable[[], None]


class ModelThread:
    """Runs work for a model one piece at a time, in the order it came, off the event loop.

    A model's weights and caches are touched by this thread alone. It is a daemon: a process that is told to
    stop does not wait for a generation that nobody will read.
    """

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[threading.Event], T], seconds: float | None = None) -> T:
        """Run `work` on the thread and return what it returns, or raise what it raises.

        Raises `TimeoutError` once it has run for so many seconds; waiting for its turn does not count.

        `work` is given an event that is set once nobody waits for it any more (the caller was cancelled, its
        deadline passed), so that it can stop early. Work that has not begun by then never begins.
        """
        if self._closed:
            raise RuntimeError("the model's thread is closed")
        loop = asyncio.get_running_loop()
        limit = asyncio.timeout(None)

        def begins() -> None:
            if seconds is not None and not job.future.done() and not job.abandoned.is_set():
                limit.reschedule(loop.time() + seconds)

        job = _Job(work, threading.Event(), loop.create_future(), loop, begins)
        try:
            async with limit:
                self._jobs.put(job)
                result: T = await job.future
        except (asyncio.CancelledError, TimeoutError):
            job.abandoned.set()
            raise
        return result

    def close(self) -> None:
        """Let the thread end after the work it has; does not wait for it."""
        self._closed = True
        self._jobs.put(None)

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            if job.abandoned.is_set():
                continue
            try:
                with contextlib.suppress(RuntimeError):
                    job.loop.call_soon_threadsafe(job.begins)
                settle(job.loop, job.future, job.work(job.abandoned))
            except BaseException as error:  # noqa: BLE001  # it belongs to whoever waits, not to this thread
                settle(job.loop, job.future, None, error)
