"""The thread that owns a model."""

import asyncio
import atexit
import contextlib
import os
import queue
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")
_busy_threads: "set[ModelThread]" = set()
"""Threads with a job in progress."""


def resolve_future(
    loop: asyncio.AbstractEventLoop, future: asyncio.Future[T], result: T, error: BaseException | None = None
) -> None:
    """Set the result of a future on its event loop, or its error if given. May be called on any thread."""

    def set_future() -> None:
        if not future.done():
            future.set_result(result) if error is None else future.set_exception(error)

    with contextlib.suppress(RuntimeError):  # the loop is closed, so nothing waits for the future
        loop.call_soon_threadsafe(set_future)


def set_exit_code(code: int) -> None:
    """Make the process end with this code, even if a model's thread is busy at that time.

    Python's normal exit stops a busy thread inside the C++ code of its libraries, which aborts the process (SIGABRT).
    """
    atexit.register(_exit_if_busy, code)


def _exit_if_busy(code: int) -> None:
    if not _busy_threads:
        return
    # `os._exit` skips Python's own cleanup, so the other exit functions and the buffered output are handled here.
    atexit.unregister(_exit_if_busy)
    atexit._run_exitfuncs()  # noqa: SLF001
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):  # the stream does not exist or has no reader
            stream.flush()
    os._exit(code)


@dataclass(frozen=True, slots=True)
class _ThreadJob:
    work: Callable[[threading.Event], Any]
    cancelled: threading.Event
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    on_start: Callable[[], None]


class ModelThread:
    """Runs jobs of a model one at a time, in the order they arrive, outside the event loop.

    Only this thread touches the model's weights and caches. It is a daemon thread, so a process that stops does not
    wait for a generation whose result nobody needs.
    """

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[_ThreadJob | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run_jobs, name=name, daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[threading.Event], T], timeout: float | None = None) -> T:
        """Run `work` on the thread and return its result.

        `work` gets an event that is set when the caller is cancelled or the timeout passes, so that it can stop early.
        Work that has not started at that time never starts. `timeout` is in seconds and counts from the start of the
        work; waiting in the queue does not count.

        Raise what `work` raises, and `TimeoutError` if it takes longer than `timeout`.
        """
        if self._closed:
            raise RuntimeError("the model's thread is closed")
        loop = asyncio.get_running_loop()
        limit = asyncio.timeout(None)

        def start_timeout() -> None:
            if timeout is not None and not job.future.done() and not job.cancelled.is_set():
                limit.reschedule(loop.time() + timeout)

        job = _ThreadJob(work, threading.Event(), loop.create_future(), loop, start_timeout)
        try:
            async with limit:
                self._jobs.put(job)
                result: T = await job.future
        except (asyncio.CancelledError, TimeoutError):
            job.cancelled.set()
            raise
        return result

    def close(self, finish: Callable[[], None] = lambda: None) -> None:
        """Stop the thread after its queued jobs and `finish`, without waiting for them."""
        self._closed, self._finish = True, finish
        self._jobs.put(None)

    def _run_jobs(self) -> None:
        while (job := self._jobs.get()) is not None:
            if job.cancelled.is_set():
                continue
            _busy_threads.add(self)
            result: Any = None
            failure: BaseException | None = None
            try:
                with contextlib.suppress(RuntimeError):
                    job.loop.call_soon_threadsafe(job.on_start)
                result = job.work(job.cancelled)
            except BaseException as error:  # noqa: BLE001  # the error belongs to the caller, not to this thread
                failure = error
            # The caller may end the process at once, so the thread is idle before the caller gets the result.
            _busy_threads.discard(self)
            resolve_future(job.loop, job.future, result, failure)
        self._finish()
