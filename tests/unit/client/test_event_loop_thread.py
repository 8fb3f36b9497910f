"""The event loop in a thread of its own."""

import asyncio
import threading

import pytest

from carteiro.client.errors import CarteiroError
from carteiro.client.event_loop_thread import EventLoopThread


async def answer() -> int:
    return 42


async def fail() -> None:
    raise ValueError("wrong")


def test_result_and_error_of_a_coroutine_come_back() -> None:
    thread = EventLoopThread()
    thread.start()
    assert thread.run(answer()) == 42
    with pytest.raises(ValueError, match="wrong"):
        thread.run(fail())
    thread.stop()


def test_thread_that_is_not_started_or_is_stopped_runs_nothing() -> None:
    thread = EventLoopThread()
    with pytest.raises(CarteiroError, match="not started"):
        thread.run(answer())
    thread.start()
    thread.stop()
    thread.stop()
    with pytest.raises(CarteiroError, match="not started"):
        thread.run(answer())


def test_stop_ends_the_calls_of_other_threads() -> None:
    thread = EventLoopThread()
    thread.start()
    running = threading.Event()
    errors: list[Exception] = []

    async def wait_for_ever() -> None:
        running.set()
        await asyncio.Event().wait()

    def call() -> None:
        try:
            thread.run(wait_for_ever())
        except CarteiroError as error:
            errors.append(error)

    caller = threading.Thread(target=call)
    caller.start()
    running.wait()
    thread.stop()
    caller.join()
    assert [str(error) for error in errors] == ["the client was stopped"]
