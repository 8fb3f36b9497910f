"""The limit of the memory of all texts."""

import asyncio

from carteiro.references.memory_budget import MemoryBudget


async def step() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_reservation_beyond_the_limit_waits_until_enough_is_given_back() -> None:
    budget = MemoryBudget(10)
    first, second = await budget.reserve(6), await budget.reserve(4)
    third = asyncio.create_task(budget.reserve(6))
    await step()
    second.release()
    await step()
    assert not third.done()
    first.shrink(4)
    assert (await third) is not None


async def test_small_reservation_does_not_overtake_a_large_one() -> None:
    budget = MemoryBudget(10)
    first = await budget.reserve(6)
    large, small = asyncio.create_task(budget.reserve(10)), asyncio.create_task(budget.reserve(1))
    await step()
    assert not small.done()
    first.release()
    with await large:
        await step()
        assert not small.done()
    await small


async def test_cancelled_reservation_leaves_its_place_to_the_next() -> None:
    budget = MemoryBudget(10)
    first = await budget.reserve(10)
    second, third = asyncio.create_task(budget.reserve(10)), asyncio.create_task(budget.reserve(10))
    await step()
    second.cancel()
    await step()
    first.release()
    await third


async def test_reservation_is_given_back_once() -> None:
    budget = MemoryBudget(10)
    with await budget.reserve(10) as reservation:
        reservation.release()
    await budget.reserve(10)
    waiting = asyncio.create_task(budget.reserve(1))
    await step()
    assert not waiting.done()
    waiting.cancel()
