"""The parts of one request: at once, in order, and no longer than the request."""

import asyncio
from types import SimpleNamespace

import pytest

from carteiro.models.errors import Unavailable
from carteiro.tasks.parts import PartRunner

REMOTE, LOCAL = SimpleNamespace(remote=True), SimpleNamespace(remote=False)


class Calls:
    """Model calls that end when they are told to."""

    def __init__(self, runner: PartRunner) -> None:
        self.runner, self.begun, self.ended, self.gate = runner, [], [], asyncio.Event()

    async def __call__(self, part: int) -> str:
        async with self.runner.call():
            self.begun.append(part)
            try:
                await self.gate.wait()
            finally:
                self.ended.append(part)
        if part == 13:
            raise Unavailable("away")
        return f"part {part}"


@pytest.mark.parametrize(
    ("runner", "at_once"), [(PartRunner(REMOTE), 16), (PartRunner(LOCAL), 4), (PartRunner(REMOTE, streamed=True), 1)]
)
async def test_calls_run_at_once_up_to_a_limit_and_in_order(runner, at_once):
    calls = Calls(runner)
    running = asyncio.create_task(runner.run(range(40, 80), calls))
    for _ in range(10):
        await asyncio.sleep(0)
    assert calls.begun == list(range(40, 40 + at_once))
    calls.gate.set()
    assert await running == [f"part {number}" for number in range(40, 80)]
    assert calls.begun == list(range(40, 80))


async def test_failed_part_cancels_the_others():
    runner = PartRunner(REMOTE)
    calls = Calls(runner)

    async def work(part: int) -> str:
        if part == 13:
            calls.begun.append(part)
            raise Unavailable("away")
        return await calls(part)

    with pytest.raises(Unavailable, match="away"):
        await runner.run(range(40), work)
    assert len(calls.begun) < 40
    assert sorted([*calls.ended, 13]) == sorted(calls.begun)


async def test_cancelled_request_cancels_its_calls():
    runner = PartRunner(REMOTE)
    calls = Calls(runner)
    running = asyncio.create_task(runner.run(range(40), calls))
    for _ in range(10):
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert calls.ended == calls.begun == list(range(16))


async def test_no_parts_give_no_results():
    assert await PartRunner(REMOTE).run([], Calls(PartRunner(REMOTE))) == []
