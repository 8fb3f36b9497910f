"""The front: whose turn it is, and what a cancellation leaves behind."""

import asyncio
import contextlib

import pytest

from carteiro.models.cloud.quota import Controller, Quota


class Gate(Controller):
    """A controller that begins calls only when told to."""

    def __init__(self):
        super().__init__()
        self.open, self.asked = False, 0

    def wait(self, now, tokens=0):
        self.asked += 1
        return 0.0 if self.open else 3600.0


async def turns(seconds: int = 20) -> None:
    for _ in range(seconds):
        await asyncio.sleep(0)


async def test_first_come_first_served_whatever_the_size():
    gate = Gate()
    quota = Quota(gate)
    order = []

    async def one(name, tokens):
        async with quota.call(tokens):
            order.append(name)

    tasks = [asyncio.create_task(one(name, 10_000 if name == 3 else 1)) for name in range(8)]
    await turns()
    assert order == []
    gate.open = True
    quota._changed.set()
    await asyncio.gather(*tasks)
    assert order == list(range(8))
    assert quota._controller.in_flight == 0


async def test_a_large_call_is_not_overtaken():
    """The tokens that small calls take would never leave enough for a large one."""
    now = 0.0
    quota = Quota(Controller(tokens_per_minute=100), clock=lambda: now)
    order = []

    async def one(name, tokens):
        async with quota.call(tokens) as call:
            order.append(name)
            call.settle(tokens)

    await one("first", 60)
    tasks = [asyncio.create_task(one("large", 90))]
    await turns()
    tasks += [asyncio.create_task(one(f"small {index}", 1)) for index in range(3)]
    await turns()
    assert order == ["first"]
    for second in range(1, 400):
        now = float(second)
        quota._changed.set()
        await turns()
    await asyncio.gather(*tasks)
    assert order == ["first", "large", "small 0", "small 1", "small 2"]


@pytest.mark.parametrize("who", [0, 1, 2])
async def test_a_waiter_that_is_cancelled_leaves_nothing_behind(who):
    gate = Gate()
    quota = Quota(gate)
    done = []

    async def one(name):
        async with quota.call():
            done.append(name)

    tasks = [asyncio.create_task(one(name)) for name in range(3)]
    await turns()
    tasks[who].cancel()
    await turns()
    gate.open = True
    quota._changed.set()
    await asyncio.gather(*(task for index, task in enumerate(tasks) if index != who))
    assert done == [name for name in range(3) if name != who]
    assert quota._controller.in_flight == 0


async def test_a_call_that_is_cancelled_gives_its_place_back():
    gate = Gate()
    gate.open = True
    quota = Quota(gate)

    async def hang():
        async with quota.call():
            await asyncio.Event().wait()

    task = asyncio.create_task(hang())
    await turns()
    assert quota._controller.in_flight == 1
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert quota._controller.in_flight == 0


async def test_a_call_that_ends_wakes_who_waits():
    gate = Gate()
    quota = Quota(gate)
    gate.open = True
    async with quota.call():
        gate.open = False
        waiter = asyncio.create_task(quota.call().__aenter__())
        await turns()
        assert not waiter.done()
        gate.open = True
    await asyncio.wait_for(waiter, 60)


async def test_waiting_asks_no_more_than_once():
    gate = Gate()
    quota = Quota(gate)
    tasks = [asyncio.create_task(quota.call().__aenter__()) for _ in range(50)]
    await turns(500)
    assert gate.asked == 1
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_what_is_told_reaches_the_controller():
    now = 5.0
    quota = Quota(Controller(tokens_per_minute=1000, chance=lambda: 0), clock=lambda: now)
    async with quota.call(900) as call:
        call.settle(100)
        call.settle(800)
    assert quota._controller._tokens._window.spent(now) == 100
    now = 20.0
    async with quota.call(0) as call:
        call.refused(30.0)
    assert quota._controller.wait(now) >= 30


async def test_real_time_passes_at_the_rate_that_is_set():
    quota = Quota(Controller(requests_per_minute=60_000))
    begun = 0

    async def one():
        nonlocal begun
        async with quota.call() as call:
            begun += 1
            call.settle()

    await asyncio.gather(*(one() for _ in range(400)))
    assert begun == 400
