"""A pool of tokens that requests share."""

import asyncio

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
