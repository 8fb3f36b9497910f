"""A pool of tokens that requests share."""

import asyncio

import pytest

from carteiro.models.engines.pool import Pool


async def test_a_pool_serves_in_turn_and_no_more_than_it_has():
    pool = Pool(places=2, tokens=10)
    served: list[str] = []

    async def hold(name: str, tokens: int) -> None:
        await pool.take(tokens)
        served.append(name)

    await hold("a", 6)
    waiting = [asyncio.create_task(hold(name, tokens)) for name, tokens in (("large", 9), ("small", 1))]
    await asyncio.sleep(0)
    assert served == ["a"]  # the small one would fit, but the large one would never
    waiting[0].cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert served == ["a", "small"]
    third = asyncio.create_task(hold("third", 1))
    await asyncio.sleep(0)
    assert served == ["a", "small"]  # there is room, but no place
    pool.give(6)
    await third
    assert served[-1] == "third"


async def test_a_turn_that_comes_while_its_caller_leaves_goes_to_the_next():
    pool = Pool(places=1, tokens=1)
    await pool.take(1)
    first, second = (asyncio.create_task(pool.take(1)) for _ in range(2))
    await asyncio.sleep(0)
    pool.give(1)
    first.cancel()
    async with asyncio.timeout(1):
        await second
    assert first.cancelled()


async def test_a_place_is_free_when_the_work_is_done_and_not_when_its_caller_has_gone():
    pool, go_on, began = Pool(places=1, tokens=1), asyncio.Event(), asyncio.Event()

    async def work() -> str:
        began.set()
        await go_on.wait()
        return "done"

    caller = asyncio.create_task(pool.run(work, 1, seconds=60))
    await began.wait()
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    began.clear()
    turn = asyncio.create_task(pool.run(work, 1, seconds=60))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not began.is_set()
    go_on.set()
    async with asyncio.timeout(60):
        assert await turn == "done"


async def test_work_that_takes_too_long_is_left_and_ended_at_the_end():
    pool, ended = Pool(places=1, tokens=1), asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(TimeoutError):
        await pool.run(work, 1, seconds=0.01)
    assert not ended.is_set()
    await pool.cancel()
    assert ended.is_set()
