"""Suspects run while no other request runs, in any interleaving."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from carteiro.worker.delivery.exclusive_gate import ExclusiveGate, IsolationGroup


async def nothing(_offset: int) -> None: ...


@given(st.lists(st.tuples(st.sampled_from(["shared", "group"]), st.integers(1, 3), st.integers(0, 3)), max_size=12))
async def test_group_of_suspects_never_runs_next_to_another_request(work: list[tuple[str, int, int]]) -> None:
    gate = ExclusiveGate()
    running: list[object] = []
    ended = 0

    async def run(owner: object, steps: int) -> None:
        nonlocal ended
        running.append(owner)
        for _ in range(steps):
            assert len(set(running)) == 1
            await asyncio.sleep(0)
        running.remove(owner)
        ended += 1

    async def run_shared(steps: int) -> None:
        await gate.acquire_shared()
        try:
            await run("requests", steps)
        finally:
            gate.release_shared()

    async def run_suspect(group: IsolationGroup, offset: int, steps: int) -> None:
        async with group.membership(offset):
            await run(group, steps)

    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        for kind, size, steps in work:
            if kind == "shared":
                for _ in range(size):
                    tasks.create_task(run_shared(steps))
                continue
            group = IsolationGroup(gate, size, nothing)
            for offset in range(size):
                assert group.join(offset)
                tasks.create_task(run_suspect(group, offset, steps))
    assert ended == sum(size for _, size, _ in work)


async def test_start_of_a_group_is_recorded_with_its_highest_offset_before_a_suspect_runs() -> None:
    events: list[object] = []

    async def record(offset: int) -> None:
        events.append(offset)

    group = IsolationGroup(ExclusiveGate(), 2, record)
    assert group.join(3)
    assert group.join(7)
    assert not group.join(8), "the group is full"

    async def run(offset: int) -> None:
        async with group.membership(offset):
            events.append("run")
            assert not group.join(9), "the group has started"

    await asyncio.gather(run(3), run(7))
    assert events == [7, "run", "run"]


async def test_group_whose_suspects_are_cancelled_before_they_start_frees_the_gate() -> None:
    gate = ExclusiveGate()
    await gate.acquire_shared()
    group = IsolationGroup(gate, 1, nothing)
    group.join(0)

    async def run() -> None:
        async with group.membership(0):
            raise AssertionError

    waiting = asyncio.create_task(run())
    await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(5):
        await gate.acquire_shared()
