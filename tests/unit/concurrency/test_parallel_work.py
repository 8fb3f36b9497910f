"""Several coroutines at once: their results in order, and an end of all if one fails."""

import asyncio

import pytest

from carteiro.concurrency.parallel_work import run_all


async def test_results_are_in_the_order_of_the_works() -> None:
    first = asyncio.Event()

    async def work(number: int) -> int:
        if number:
            first.set()
        else:
            await first.wait()
        return number

    assert await run_all(map(work, range(3))) == [0, 1, 2]
    assert await run_all(map(work, [])) == []


async def test_failure_ends_the_others_before_it_is_raised() -> None:
    ended = []

    async def work(number: int) -> None:
        if number == 1:
            raise ValueError("no")
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(number)

    with pytest.raises(ValueError, match="no"):
        await run_all(map(work, range(3)))
    assert sorted(ended) == [0, 2]
