"""The lock of the calls that wait for a quota."""

import asyncio

import pytest

from carteiro.models.cloud.quota.priority_lock import MAX_OVERTAKINGS, PriorityLock


async def turns(number: int = 5) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


class Waiters:
    """Tasks that hold a lock one after the other, each until the next `step`."""

    def __init__(self) -> None:
        self.lock, self.order, self._step = PriorityLock(), [], asyncio.Semaphore(0)
        self.tasks: dict[str, asyncio.Task] = {}

    async def add(self, name: str, rank: int) -> None:
        self.tasks[name] = asyncio.create_task(self._hold(name, rank))
        await turns()

    async def _hold(self, name: str, rank: int) -> None:
        async with self.lock.hold(rank) as turn:
            await turn.let_pass()
            self.order.append(name)
            await self._step.acquire()

    async def finish(self) -> list[str]:
        for _ in self.tasks:
            self._step.release()
        await asyncio.wait(self.tasks.values(), timeout=5)
        assert all(task.done() for task in self.tasks.values())
        return self.order


async def test_lower_ranks_come_first_and_equal_ranks_in_order_of_arrival():
    waiters = Waiters()
    for name, rank in [("holder", 9), ("b2", 2), ("a1", 1), ("c0", 0), ("d1", 1), ("e0", 0)]:
        await waiters.add(name, rank)
    assert await waiters.finish() == ["holder", "c0", "e0", "a1", "d1", "b2"]


@pytest.mark.parametrize("cancelled", ["holder", "first", "second"])
async def test_cancelled_task_blocks_nobody(cancelled):
    waiters = Waiters()
    for name in ("holder", "first", "second", "third"):
        await waiters.add(name, 0)
    waiters.tasks[cancelled].cancel()
    await turns()
    assert await waiters.finish() == [each for each in waiters.tasks if each != cancelled or each == "holder"]


async def test_task_that_is_cancelled_when_its_turn_comes_passes_it_on():
    waiters = Waiters()
    for name in ("holder", "first", "second"):
        await waiters.add(name, 0)
    waiters._step.release()
    while not waiters.tasks["holder"].done():
        await asyncio.sleep(0)
    waiters.tasks["first"].cancel()
    await turns()
    assert (await waiters.finish())[-1] == "second"


async def test_holder_lets_lower_ranks_pass_and_keeps_its_place_among_equals():
    lock, order, arrived = PriorityLock(), [], asyncio.Event()

    async def hold(name: str, rank: int) -> None:
        async with lock.hold(rank) as turn:
            await arrived.wait()
            await turn.let_pass()
            order.append(name)

    tasks = [asyncio.create_task(hold(name, rank)) for name, rank in [("a1", 1), ("b1", 1), ("c0", 0)]]
    await turns()
    arrived.set()
    await asyncio.gather(*tasks)
    assert order == ["c0", "a1", "b1"]


async def test_holder_that_is_cancelled_while_others_pass_leaves_the_lock_to_them():
    lock, passed, freed = PriorityLock(), asyncio.Event(), asyncio.Event()

    async def step_aside() -> None:
        async with lock.hold(1) as turn:
            await passed.wait()
            await turn.let_pass()

    async def overtake() -> None:
        async with lock.hold(0):
            await freed.wait()

    first = asyncio.create_task(step_aside())
    await turns()
    second = asyncio.create_task(overtake())
    passed.set()
    await turns()
    first.cancel()
    await turns()
    third = asyncio.create_task(overtake())
    await turns()
    assert not third.done()
    freed.set()
    await asyncio.wait_for(asyncio.gather(second, third), 5)


async def test_rank_0_passes_the_others_only_so_many_times_in_a_row():
    waiters = Waiters()
    for name, rank in [("holder", 0), ("part", 1), ("later part", 2), *((f"{number}", 0) for number in range(20))]:
        await waiters.add(name, rank)
    order = await waiters.finish()
    first, second = MAX_OVERTAKINGS + 1, 2 * (MAX_OVERTAKINGS + 1)
    assert (order[first], order[second]) == ("part", "later part")
    assert order[1:first] == [f"{number}" for number in range(MAX_OVERTAKINGS)]


async def test_holder_that_waits_is_passed_only_so_many_times_in_a_row():
    lock, order, arrived = PriorityLock(), [], asyncio.Event()

    async def hold(name: str, rank: int) -> None:
        async with lock.hold(rank) as turn:
            await arrived.wait()
            for _ in range(3):
                await turn.let_pass()
            order.append(name)

    names = [("part", 1), *((f"{number}", 0) for number in range(20))]
    tasks = [asyncio.create_task(hold(name, rank)) for name, rank in names]
    await turns()
    arrived.set()
    await asyncio.gather(*tasks)
    assert order.index("part") == MAX_OVERTAKINGS
