"""The token budget that requests share."""

import asyncio
import threading

import pytest

from carteiro.models.local.inference.token_budget import TokenBudget


async def test_budget_is_granted_in_order_and_never_exceeded() -> None:
    pool = TokenBudget(slots=2, tokens=10)
    served: list[str] = []

    async def hold(name: str, tokens: int) -> None:
        await pool.acquire(tokens)
        served.append(name)

    await hold("a", 6)
    waiting = [asyncio.create_task(hold(name, tokens)) for name, tokens in (("large", 9), ("small", 1))]
    await asyncio.sleep(0)
    assert served == ["a"]  # if small requests went first, the large one might wait for ever
    waiting[0].cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert served == ["a", "small"]
    third = asyncio.create_task(hold("third", 1))
    await asyncio.sleep(0)
    assert served == ["a", "small"]  # there are free tokens, but no free slot
    pool.release(6)
    await third
    assert served[-1] == "third"


async def test_grant_to_a_cancelled_caller_goes_to_the_next() -> None:
    pool = TokenBudget(slots=1, tokens=1)
    await pool.acquire(1)
    first, second = (asyncio.create_task(pool.acquire(1)) for _ in range(2))
    await asyncio.sleep(0)
    pool.release(1)
    first.cancel()
    async with asyncio.timeout(1):
        await second
    assert first.cancelled()


async def test_slot_is_released_at_the_end_of_the_work_not_at_cancellation() -> None:
    pool, go_on, began = TokenBudget(slots=1, tokens=1), asyncio.Event(), asyncio.Event()

    leaving: list[threading.Event] = []

    async def work(cancelled: threading.Event) -> str:
        leaving.append(cancelled)
        began.set()
        await go_on.wait()
        return "done"

    caller = asyncio.create_task(pool.run(work, 1, timeout=60))
    await began.wait()
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    assert leaving[0].is_set(), "the work can stop early"
    began.clear()
    second = asyncio.create_task(pool.run(work, 1, timeout=60))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not began.is_set()
    go_on.set()
    async with asyncio.timeout(60):
        assert await second == "done"


async def test_work_past_timeout_runs_until_budget_is_cancelled() -> None:
    pool, ended = TokenBudget(slots=1, tokens=1), asyncio.Event()

    async def work(_: threading.Event) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(TimeoutError):
        await pool.run(work, 1, timeout=0.01)
    assert not ended.is_set()
    await pool.cancel()
    assert ended.is_set()
