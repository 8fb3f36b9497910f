import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.concurrency.single_flight import SingleFlight

Compute = Callable[[], Awaitable[str]]


@dataclass
class Computations:
    """Computations that end when the test says so. Each has the number of its start."""

    running: dict[int, asyncio.Future[None]] = field(default_factory=dict)
    started: int = 0
    cancelled: int = 0

    async def __call__(self) -> str:
        self.started += 1
        number, future = self.started, asyncio.get_running_loop().create_future()
        self.running[number] = future
        try:
            await future
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            del self.running[number]
        return f"result {number}"

    def end(self, error: Exception | None = None) -> None:
        """End all running computations."""
        for future in [each for each in self.running.values() if not each.done()]:
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def start(flight: SingleFlight[str], compute: Compute, callers: int) -> list[asyncio.Task[tuple[str, bool]]]:
    tasks = [asyncio.create_task(flight.run(b"key", compute)) for _ in range(callers)]
    await settle()
    return tasks


async def test_callers_with_one_key_share_one_computation() -> None:
    flight, compute = SingleFlight[str](), Computations()
    tasks = await start(flight, compute, 3)
    compute.end()
    assert await asyncio.gather(*tasks) == [("result 1", False), ("result 1", True), ("result 1", True)]
    assert compute.started == 1


async def test_callers_with_other_keys_compute_by_themselves() -> None:
    flight, compute = SingleFlight[str](), Computations()
    tasks = [asyncio.create_task(flight.run(key, compute)) for key in (b"a", b"b")]
    await settle()
    assert compute.started == 2
    compute.end()
    assert [shared for _, shared in await asyncio.gather(*tasks)] == [False, False]


async def test_result_is_not_kept() -> None:
    flight, compute = SingleFlight[str](), Computations()
    for number in (1, 2):
        (task,) = await start(flight, compute, 1)
        compute.end()
        assert await task == (f"result {number}", False)


async def test_cancelled_waiting_caller_disturbs_no_other() -> None:
    flight, compute = SingleFlight[str](), Computations()
    first, second, third = await start(flight, compute, 3)
    second.cancel()
    await settle()
    assert second.cancelled()
    compute.end()
    assert (await first, await third) == (("result 1", False), ("result 1", True))


async def test_cancelled_computing_caller_is_replaced_by_a_waiting_one() -> None:
    flight, compute = SingleFlight[str](), Computations()
    first, second, third = await start(flight, compute, 3)
    first.cancel()
    await settle()
    assert first.cancelled()
    assert (compute.started, compute.cancelled, len(compute.running)) == (2, 1, 1)
    compute.end()
    assert (await second, await third) == (("result 2", False), ("result 2", True))


async def test_computation_is_cancelled_with_its_last_caller() -> None:
    flight, compute = SingleFlight[str](), Computations()
    tasks = await start(flight, compute, 3)
    for task in tasks:
        task.cancel()
    await settle()
    assert all(task.cancelled() for task in tasks)
    assert (compute.started, compute.cancelled) == (1, 1)
    assert not flight._running


async def test_error_reaches_only_the_caller_that_computed() -> None:
    flight, compute = SingleFlight[str](), Computations()
    first, second = await start(flight, compute, 2)
    compute.end(ValueError("of the first"))
    with pytest.raises(ValueError, match="of the first"):
        await first
    await settle()
    compute.end()
    assert await second == ("result 2", False)


class Interrupt(BaseException):
    pass


async def test_any_end_of_a_computation_lets_the_next_caller_compute() -> None:
    flight, compute = SingleFlight[str](), Computations()

    async def interrupt() -> str:
        raise Interrupt

    with pytest.raises(Interrupt):
        await flight.run(b"key", interrupt)
    (task,) = await start(flight, compute, 1)
    compute.end()
    assert await task == ("result 1", False)


STEPS = st.lists(
    st.one_of(
        st.just(("call",)),
        st.just(("end",)),
        st.just(("fail",)),
        st.tuples(st.just("cancel"), st.integers(0, 9)),
    ),
    max_size=30,
)


@given(STEPS, st.integers(0, 3))
def test_any_order_of_calls_ends_and_cancellations_serves_every_caller(
    steps: list[tuple[str] | tuple[str, int]], pauses: int
) -> None:
    async def run() -> None:
        flight, compute = SingleFlight[str](), Computations()
        tasks: list[asyncio.Task[tuple[str, bool]]] = []
        cancelled: set[int] = set()
        for step in steps:
            match step:
                case ("call",):
                    tasks.append(asyncio.create_task(flight.run(b"key", compute)))
                case ("end",):
                    compute.end()
                case ("fail",):
                    compute.end(ValueError())
                case ("cancel", int(index)) if index < len(tasks) and not tasks[index].done():
                    tasks[index].cancel()
                    cancelled.add(index)
            for _ in range(pauses):
                await asyncio.sleep(0)
            assert len(compute.running) <= 1
        for _ in tasks:
            await settle()
            compute.end()
        results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
        for index, result in enumerate(results):
            if isinstance(result, asyncio.CancelledError):
                assert index in cancelled
        computed = [result[0] for result in results if isinstance(result, tuple) and not result[1]]
        shared = {result[0] for result in results if isinstance(result, tuple) and result[1]}
        assert len(set(computed)) == len(computed), "each result has one caller that computed it"
        assert shared <= set(computed)
        assert not flight._running

    asyncio.run(run())
