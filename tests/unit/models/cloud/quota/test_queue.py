"""Queue of calls: their order, and the state after a cancellation."""

import asyncio
import contextlib

import pytest

from carteiro.models.cloud.quota import Quota, QuotaController


class GatedController(QuotaController):
    """A controller that begins calls only while it is `open`."""

    def __init__(self):
        super().__init__()
        self.open, self.polls = False, 0

    def wait(self, now, tokens=0):
        self.polls += 1
        return 0.0 if self.open else 3600.0


async def turns(seconds: int = 20) -> None:
    for _ in range(seconds):
        await asyncio.sleep(0)


async def test_calls_of_every_size_begin_in_order():
    gated = GatedController()
    quota = Quota(gated)
    order = []

    async def one(name, tokens):
        async with quota.call(tokens):
            order.append(name)

    tasks = [asyncio.create_task(one(name, 10_000 if name == 3 else 1)) for name in range(8)]
    await turns()
    assert order == []
    gated.open = True
    quota._changed.set()
    await asyncio.gather(*tasks)
    assert order == list(range(8))
    assert quota._controller.in_flight == 0


async def test_wait_is_that_of_the_first_call_that_waits():
    now = 100.0
    gated = GatedController()
    quota = Quota(gated, clock=lambda: now)
    assert quota.wait_seconds == 0

    async def one():
        async with quota.call():
            return quota.wait_seconds

    first = asyncio.create_task(one())
    await turns()
    now = 107.0
    second = asyncio.create_task(one())
    await turns()
    assert quota.wait_seconds == 7
    first.cancel()
    await turns()
    now = 112.0
    assert quota.wait_seconds == 5
    gated.open = True
    quota._changed.set()
    assert await second == 0


async def test_a_large_call_is_not_overtaken():
    """The tokens that small calls take would never leave enough for a large call."""
    now = 0.0
    quota = Quota(QuotaController(tokens_per_minute=100), clock=lambda: now)
    order = []

    async def one(name, tokens):
        async with quota.call(tokens) as call:
            order.append(name)
            call.completed(tokens)

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
async def test_cancelled_waiter_leaves_nothing_behind(who):
    gated = GatedController()
    quota = Quota(gated)
    done = []

    async def one(name):
        async with quota.call():
            done.append(name)

    tasks = [asyncio.create_task(one(name)) for name in range(3)]
    await turns()
    tasks[who].cancel()
    await turns()
    gated.open = True
    quota._changed.set()
    await asyncio.gather(*(task for index, task in enumerate(tasks) if index != who))
    assert done == [name for name in range(3) if name != who]
    assert quota._controller.in_flight == 0


async def test_cancelled_call_frees_its_permit():
    gated = GatedController()
    gated.open = True
    quota = Quota(gated)

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


async def test_end_of_a_call_wakes_the_next_waiter():
    gated = GatedController()
    quota = Quota(gated)
    gated.open = True
    async with quota.call():
        gated.open = False
        waiter = asyncio.create_task(quota.call().__aenter__())
        await turns()
        assert not waiter.done()
        gated.open = True
    await asyncio.wait_for(waiter, 60)


async def test_controller_is_not_polled_while_a_call_waits():
    gated = GatedController()
    quota = Quota(gated)
    tasks = [asyncio.create_task(quota.call().__aenter__()) for _ in range(50)]
    await turns(500)
    assert gated.polls == 1
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_call_results_reach_the_controller():
    now = 5.0
    quota = Quota(QuotaController(tokens_per_minute=1000, chance=lambda: 0), clock=lambda: now)
    async with quota.call(900) as call:
        call.completed(100)
        call.completed(800)
    assert quota._controller._tokens._sliding_window.amount_spent(now) == 100
    now = 20.0
    async with quota.call(0) as call:
        call.rate_limited(30.0)
    assert quota._controller.wait(now) >= 30


async def test_real_time_passes_at_the_rate_that_is_set():
    quota = Quota(QuotaController(requests_per_minute=60_000))
    begun = 0

    async def one():
        nonlocal begun
        async with quota.call() as call:
            begun += 1
            call.completed()

    await asyncio.gather(*(one() for _ in range(400)))
    assert begun == 400


async def test_calls_of_other_requests_overtake_the_later_parts_of_a_long_one():
    gated = GatedController()
    quota = Quota(gated)
    order = []

    async def one(name, rank):
        async with quota.call(1, rank):
            order.append(name)

    tasks = [asyncio.create_task(one(f"part {rank}", rank)) for rank in range(4)]
    await turns()
    tasks += [asyncio.create_task(one(f"short {number}", 0)) for number in range(2)]
    await turns()
    gated.open = True
    quota._changed.set()
    await asyncio.gather(*tasks)
    assert order == ["part 0", "short 0", "short 1", "part 1", "part 2", "part 3"]


async def test_part_that_waits_for_the_quota_is_overtaken_at_once():
    gated, order = GatedController(), []
    quota = Quota(gated)

    async def one(name, rank):
        async with quota.call(1, rank):
            order.append(name)

    parts = [asyncio.create_task(one(f"part {rank}", rank)) for rank in (1, 2)]
    await turns()
    short = asyncio.create_task(one("short", 0))
    await turns()
    gated.open = True
    quota._changed.set()
    await asyncio.gather(*parts, short)
    assert order == ["short", "part 1", "part 2"]
