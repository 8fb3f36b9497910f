"""Who shares a batch, and what becomes of those who do: no model is needed for that."""

import asyncio
import threading
from collections.abc import Sequence

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from carteiro.models.failures import PromptTooLarge, Unavailable
from carteiro.models.in_process.batching import Batcher, alike
from carteiro.models.in_process.reasons import out_of_memory
from carteiro.models.in_process.thread import ModelThread
from tests.conftest import eventually


@pytest.mark.parametrize(
    ("lengths", "budget", "taken"),
    [
        ([10], 5, [10]),
        ([10, 10, 10], 30, [10, 10, 10]),
        ([10, 10, 10], 29, [10, 10]),
        ([50, 10, 51, 9, 49], 1000, [50, 51, 49]),
        ([10, 100, 11, 10], 1000, [10, 10, 11]),
        ([100, 30, 99, 98, 97], 300, [100, 99, 98]),
        ([10, 12, 20], 1000, [10, 12]),
    ],
    ids=[
        "one alone, however long",
        "as many as the budget has room for",
        "and not one more",
        "those of about its length",
        "the nearest first",
        "the nearest, where not all fit",
        "padded by a tenth of all tokens and no more",
    ],
)
def test_who_shares_a_batch(lengths, budget, taken):
    assert alike(lengths, int, budget) == taken


@given(st.lists(st.integers(1, 500), min_size=1, max_size=40), st.integers(1, 2000))
def test_the_one_that_waits_longest_is_in_and_nothing_is_too_much(lengths, budget):
    waiting = list(enumerate(lengths))
    batch = alike(waiting, lambda each: each[1], budget)
    assert batch[0] == waiting[0]
    assert len(set(batch)) == len(batch)
    assert set(batch) <= set(waiting)
    padded = max(length for _, length in batch) * len(batch)
    assert len(batch) == 1 or padded <= budget
    assert padded <= 1.1 * sum(length for _, length in batch)


class Model:
    """Doubles numbers; writes down each batch that it is given, and can be held up in it."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.abandoned: list[threading.Event] = []
        self.held = False
        self.turns = threading.Semaphore(0)
        """So many batches go on though they are held."""
        self.most = 1000
        self.spoilt: dict[int, Exception] = {}

    def run(self, numbers: Sequence[int], abandoned: threading.Event) -> list[int]:
        self.batches.append(list(numbers))
        self.abandoned.append(abandoned)
        while self.held and not abandoned.is_set() and not self.turns.acquire(timeout=0.005):
            pass
        if len(numbers) > self.most:
            raise MemoryError
        for number in numbers:
            if number in self.spoilt:
                raise self.spoilt[number]
        return [2 * number for number in numbers]


@pytest.fixture
def model():
    made = Model()
    yield made
    made.held = False


@pytest_asyncio.fixture(loop_scope="session")
async def batcher(model):
    thread = ModelThread("doubling")
    yield Batcher("local:doubling", thread, model.run, timeout=60, budget=1000)
    thread.close()


async def held_up(model: Model, batcher: Batcher, *numbers: int, tokens: int = 1) -> list[asyncio.Task[int]]:
    """The calls for the numbers: the first keeps the model busy, all others wait for it."""
    model.held = True
    first = asyncio.create_task(batcher.submit(numbers[0], tokens))
    await eventually(lambda: model.batches)
    calls = [first, *(asyncio.create_task(batcher.submit(number, tokens)) for number in numbers[1:])]
    await asyncio.sleep(0.01)
    return calls


async def test_an_idle_model_begins_at_once_and_those_who_come_meanwhile_share_the_next_batch(model, batcher):
    calls = await held_up(model, batcher, 1, 2, 3, 4)
    assert model.batches == [[1]]
    model.held = False
    assert await asyncio.gather(*calls) == [2, 4, 6, 8]
    assert model.batches == [[1], [2, 3, 4]]


async def test_each_gets_its_own_output_whatever_the_order(model, batcher):
    lengths = [20, 100, 20, 99, 21, 101, 20]
    calls = await held_up(model, batcher, 0)
    calls += [asyncio.create_task(batcher.submit(number, tokens)) for number, tokens in enumerate(lengths, start=1)]
    await asyncio.sleep(0.01)
    model.held = False
    assert await asyncio.gather(*calls) == [0, 2, 4, 6, 8, 10, 12, 14]
    assert model.batches == [[0], [1, 3, 7, 5], [2, 4, 6]]


async def test_only_rows_of_a_kind_share_a_batch(model, batcher):
    calls = await held_up(model, batcher, 0)
    calls += [asyncio.create_task(batcher.submit(number, 1, number % 2)) for number in (1, 2, 3, 4)]
    await asyncio.sleep(0.01)
    model.held = False
    assert await asyncio.gather(*calls) == [0, 2, 4, 6, 8]
    assert model.batches == [[0], [1, 3], [2, 4]]


async def test_the_budget_counts_padding(model, batcher):
    calls = await held_up(model, batcher, 1, 2, 3, 4, tokens=400)
    model.held = False
    await asyncio.gather(*calls)
    assert model.batches == [[1], [2, 3], [4]]


async def test_one_that_spoils_a_batch_is_found_by_halves_and_fails_alone(model, batcher):
    model.spoilt = {8: PromptTooLarge("too long")}
    calls = await held_up(model, batcher, 0, *range(1, 9))
    with capture_logs() as logged:
        model.held = False
        done = await asyncio.gather(*calls, return_exceptions=True)
    assert done[:8] == [0, 2, 4, 6, 8, 10, 12, 14]
    assert done[8] is model.spoilt[8]
    assert [len(batch) for batch in model.batches] == [1, 8, 4, 4, 2, 2, 1, 1]
    assert [(each["rows"], each["reason"]) for each in logged] == [(rows, "too long") for rows in (8, 4, 2)]


async def test_what_a_library_says_of_an_error_is_not_logged(model, batcher):
    model.spoilt = {1: ValueError("the prompt was: I have a secret")}
    calls = await held_up(model, batcher, 0, 1, 2)
    with capture_logs() as logged:
        model.held = False
        await asyncio.gather(*calls, return_exceptions=True)
    assert [each["reason"] for each in logged] == ["ValueError"]


async def test_too_much_at_once_is_halved_until_it_fits(model, batcher):
    model.most = 2
    calls = await held_up(model, batcher, *range(9))
    model.held = False
    assert await asyncio.gather(*calls) == [2 * number for number in range(9)]
    assert [len(batch) for batch in model.batches] == [1, 8, 4, 2, 2, 4, 2, 2]


class OutOfMemoryError(RuntimeError):
    """As PyTorch calls it on a GPU."""


@pytest.mark.parametrize(
    "error", [MemoryError(), OutOfMemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 7 bytes")]
)
async def test_one_alone_that_is_too_much_is_told_so(model, batcher, error):
    assert out_of_memory(error)
    model.spoilt = {1: error}
    with pytest.raises(Unavailable, match="local:doubling ran out of memory"):
        await batcher.submit(1, 1)
    assert await batcher.submit(2, 1) == 4


async def test_any_other_error_is_that_of_who_waits(model, batcher):
    model.spoilt = {1: ArithmeticError("odd")}
    with pytest.raises(ArithmeticError, match="odd"):
        await batcher.submit(1, 1)
    assert not out_of_memory(model.spoilt[1])


async def test_who_leaves_before_its_batch_begins_is_not_in_it(model, batcher):
    calls = await held_up(model, batcher, 1, 2, 3)
    calls[1].cancel()
    await asyncio.sleep(0.01)
    model.held = False
    assert await asyncio.gather(calls[0], calls[2]) == [2, 6]
    assert calls[1].cancelled()
    assert model.batches == [[1], [3]]


async def test_a_batch_that_some_have_left_goes_on_for_the_others(model, batcher):
    calls = await held_up(model, batcher, 0, 1, 2)
    model.turns.release()
    await calls[0]
    await eventually(lambda: len(model.batches) == 2)
    calls[1].cancel()
    await asyncio.sleep(0.05)
    assert not model.abandoned[1].is_set()
    model.held = False
    assert await calls[2] == 4


async def test_a_batch_that_all_have_left_is_given_up_and_the_next_begins(model, batcher):
    calls = await held_up(model, batcher, 0)
    calls[0].cancel()
    await eventually(model.abandoned[0].is_set)
    model.held = False
    assert await batcher.submit(1, 1) == 2


async def test_who_left_is_not_tried_again_by_halves(model, batcher):
    calls = await held_up(model, batcher, 0)
    model.spoilt = {1: ValueError()}
    calls += [asyncio.create_task(batcher.submit(number, 1)) for number in (1, 2, 3, 4)]
    await asyncio.sleep(0.01)
    model.turns.release()
    await calls[0]
    await eventually(lambda: len(model.batches) == 2)
    calls[1].cancel()
    calls[2].cancel()
    await asyncio.sleep(0.05)
    model.held = False
    assert await asyncio.gather(*calls[3:]) == [6, 8]
    assert model.batches == [[0], [1, 2, 3, 4], [3, 4]]


async def test_past_its_time_a_batch_fails_as_a_whole_and_the_next_is_served(model):
    thread = ModelThread("slow")
    batcher = Batcher("local:slow", thread, model.run, timeout=0.3, budget=1000)
    calls = await held_up(model, batcher, 0)
    calls[0].cancel()
    calls += [asyncio.create_task(batcher.submit(number, 1)) for number in (1, 2)]
    for call in calls[1:]:
        with pytest.raises(Unavailable, match=r"local:slow took longer than 0\.3 s"):
            await call
    assert model.batches == [[0], [1, 2]], "halves would take as long"
    assert model.abandoned[1].is_set()
    model.held = False
    assert await batcher.submit(3, 1) == 6
    thread.close()


async def test_too_few_outputs_are_an_error_and_nobody_waits_for_ever(model):
    thread = ModelThread("short")
    batcher = Batcher("local:short", thread, lambda numbers, _: numbers[1:], timeout=60, budget=1000)
    async with asyncio.timeout(60):
        with pytest.raises(ValueError, match="shorter"):
            await batcher.submit(1, 1)
    thread.close()
