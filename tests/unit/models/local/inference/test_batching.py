"""Composition and execution of batches, without a real model."""

import asyncio
import threading
from collections.abc import Sequence

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from carteiro.models.errors import PromptTooLarge, Unavailable
from carteiro.models.local.inference.batching import Batcher, same_length_group
from carteiro.models.local.inference.error_messages import is_out_of_memory
from carteiro.models.local.inference.thread import ModelThread
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
        "a single item of any length",
        "as many as fit into the budget",
        "one more would not fit",
        "items of similar length",
        "nearest length first",
        "only the nearest if not all fit",
        "padding of at most a tenth",
    ],
)
def test_batch_has_items_of_similar_length_within_the_budget(lengths, budget, taken):
    assert same_length_group(lengths, int, budget) == taken


@given(st.lists(st.integers(1, 500), min_size=1, max_size=40), st.integers(1, 2000))
def test_batch_has_longest_waiting_item_and_keeps_the_limits(lengths, budget):
    waiting = list(enumerate(lengths))
    batch = same_length_group(waiting, lambda each: each[1], budget)
    assert batch[0] == waiting[0]
    assert len(set(batch)) == len(batch)
    assert set(batch) <= set(waiting)
    padded = max(length for _, length in batch) * len(batch)
    assert len(batch) == 1 or padded <= budget
    assert padded <= 1.1 * sum(length for _, length in batch)


class DoublingModel:
    """Doubles numbers, records each batch, and can be blocked within a batch."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.abandoned: list[threading.Event] = []
        self.held = False
        self.permits = threading.Semaphore(0)
        """A permit lets one batch continue although `held` is True."""
        self.most = 1000
        self.spoilt: dict[int, Exception] = {}

    def run(self, numbers: Sequence[int], abandoned: threading.Event) -> list[int]:
        self.batches.append(list(numbers))
        self.abandoned.append(abandoned)
        while self.held and not abandoned.is_set() and not self.permits.acquire(timeout=0.005):
            pass
        if len(numbers) > self.most:
            raise MemoryError
        for number in numbers:
            if number in self.spoilt:
                raise self.spoilt[number]
        return [2 * number for number in numbers]


@pytest.fixture
def model():
    doubling = DoublingModel()
    yield doubling
    doubling.held = False


@pytest_asyncio.fixture(loop_scope="session")
async def batcher(model):
    thread = ModelThread("doubling")
    yield Batcher("local:doubling", thread, model.run, timeout=60, max_batch_tokens=1000)
    thread.close()


async def submit_while_busy(
    model: DoublingModel, batcher: Batcher, *numbers: int, tokens: int = 1
) -> list[asyncio.Task[int]]:
    """Return the calls for the numbers. The first call keeps the model busy and all others wait."""
    model.held = True
    first = asyncio.create_task(batcher.submit(numbers[0], tokens))
    await eventually(lambda: model.batches)
    calls = [first, *(asyncio.create_task(batcher.submit(number, tokens)) for number in numbers[1:])]
    await asyncio.sleep(0.01)
    return calls


async def test_idle_model_starts_at_once_and_later_inputs_share_the_next_batch(model, batcher):
    calls = await submit_while_busy(model, batcher, 1, 2, 3, 4)
    assert model.batches == [[1]]
    model.held = False
    assert await asyncio.gather(*calls) == [2, 4, 6, 8]
    assert model.batches == [[1], [2, 3, 4]]


async def test_outputs_match_their_inputs_in_any_order(model, batcher):
    lengths = [20, 100, 20, 99, 21, 101, 20]
    calls = await submit_while_busy(model, batcher, 0)
    calls += [asyncio.create_task(batcher.submit(number, tokens)) for number, tokens in enumerate(lengths, start=1)]
    await asyncio.sleep(0.01)
    model.held = False
    assert await asyncio.gather(*calls) == [0, 2, 4, 6, 8, 10, 12, 14]
    assert model.batches == [[0], [1, 3, 7, 5], [2, 4, 6]]


async def test_only_inputs_with_equal_batch_key_share_a_batch(model, batcher):
    calls = await submit_while_busy(model, batcher, 0)
    calls += [asyncio.create_task(batcher.submit(number, 1, number % 2)) for number in (1, 2, 3, 4)]
    await asyncio.sleep(0.01)
    model.held = False
    assert await asyncio.gather(*calls) == [0, 2, 4, 6, 8]
    assert model.batches == [[0], [1, 3], [2, 4]]


async def test_token_limit_includes_padding(model, batcher):
    calls = await submit_while_busy(model, batcher, 1, 2, 3, 4, tokens=400)
    model.held = False
    await asyncio.gather(*calls)
    assert model.batches == [[1], [2, 3], [4]]


async def test_faulty_row_is_found_by_bisection_and_only_it_fails(model, batcher):
    model.spoilt = {8: PromptTooLarge("too long")}
    calls = await submit_while_busy(model, batcher, 0, *range(1, 9))
    with capture_logs() as logged:
        model.held = False
        done = await asyncio.gather(*calls, return_exceptions=True)
    assert done[:8] == [0, 2, 4, 6, 8, 10, 12, 14]
    assert done[8] is model.spoilt[8]
    assert [len(batch) for batch in model.batches] == [1, 8, 4, 4, 2, 2, 1, 1]
    assert [(each["rows"], each["reason"]) for each in logged] == [(rows, "too long") for rows in (8, 4, 2)]


async def test_error_message_of_a_library_is_not_logged(model, batcher):
    model.spoilt = {1: ValueError("the prompt was: I have a secret")}
    calls = await submit_while_busy(model, batcher, 0, 1, 2)
    with capture_logs() as logged:
        model.held = False
        await asyncio.gather(*calls, return_exceptions=True)
    assert [each["reason"] for each in logged] == ["ValueError"]


async def test_batch_without_enough_memory_is_halved_until_it_fits(model, batcher):
    model.most = 2
    calls = await submit_while_busy(model, batcher, *range(9))
    model.held = False
    assert await asyncio.gather(*calls) == [2 * number for number in range(9)]
    assert [len(batch) for batch in model.batches] == [1, 8, 4, 2, 2, 4, 2, 2]


class OutOfMemoryError(RuntimeError):
    """Error with the class name that PyTorch uses on a GPU."""


@pytest.mark.parametrize(
    "error", [MemoryError(), OutOfMemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 7 bytes")]
)
async def test_single_row_without_enough_memory_is_unavailable(model, batcher, error):
    assert is_out_of_memory(error)
    model.spoilt = {1: error}
    with pytest.raises(Unavailable, match="local:doubling ran out of memory"):
        await batcher.submit(1, 1)
    assert await batcher.submit(2, 1) == 4


async def test_other_errors_are_raised_to_the_caller(model, batcher):
    model.spoilt = {1: ArithmeticError("odd")}
    with pytest.raises(ArithmeticError, match="odd"):
        await batcher.submit(1, 1)
    assert not is_out_of_memory(model.spoilt[1])


async def test_caller_cancelled_before_the_batch_is_left_out(model, batcher):
    calls = await submit_while_busy(model, batcher, 1, 2, 3)
    calls[1].cancel()
    await asyncio.sleep(0.01)
    model.held = False
    assert await asyncio.gather(calls[0], calls[2]) == [2, 6]
    assert calls[1].cancelled()
    assert model.batches == [[1], [3]]


async def test_batch_continues_if_only_some_callers_are_cancelled(model, batcher):
    calls = await submit_while_busy(model, batcher, 0, 1, 2)
    model.permits.release()
    await calls[0]
    await eventually(lambda: len(model.batches) == 2)
    calls[1].cancel()
    await asyncio.sleep(0.05)
    assert not model.abandoned[1].is_set()
    model.held = False
    assert await calls[2] == 4


async def test_batch_stops_if_all_callers_are_cancelled_and_the_next_starts(model, batcher):
    calls = await submit_while_busy(model, batcher, 0)
    calls[0].cancel()
    await eventually(model.abandoned[0].is_set)
    model.held = False
    assert await batcher.submit(1, 1) == 2


async def test_cancelled_caller_is_not_retried_in_a_half(model, batcher):
    calls = await submit_while_busy(model, batcher, 0)
    model.spoilt = {1: ValueError()}
    calls += [asyncio.create_task(batcher.submit(number, 1)) for number in (1, 2, 3, 4)]
    await asyncio.sleep(0.01)
    model.permits.release()
    await calls[0]
    await eventually(lambda: len(model.batches) == 2)
    calls[1].cancel()
    calls[2].cancel()
    await asyncio.sleep(0.05)
    model.held = False
    assert await asyncio.gather(*calls[3:]) == [6, 8]
    assert model.batches == [[0], [1, 2, 3, 4], [3, 4]]


async def test_batch_past_timeout_fails_completely_and_the_next_runs(model):
    thread = ModelThread("slow")
    batcher = Batcher("local:slow", thread, model.run, timeout=0.3, max_batch_tokens=1000)
    calls = await submit_while_busy(model, batcher, 0)
    calls[0].cancel()
    calls += [asyncio.create_task(batcher.submit(number, 1)) for number in (1, 2)]
    for call in calls[1:]:
        with pytest.raises(Unavailable, match=r"local:slow took longer than 0\.3 s"):
            await call
    assert model.batches == [[0], [1, 2]], "a timeout is not retried in halves"
    assert model.abandoned[1].is_set()
    model.held = False
    assert await batcher.submit(3, 1) == 6
    thread.close()


async def test_too_few_outputs_raise_an_error_to_the_caller(model):
    thread = ModelThread("short")
    batcher = Batcher("local:short", thread, lambda numbers, _: numbers[1:], timeout=60, max_batch_tokens=1000)
    async with asyncio.timeout(60):
        with pytest.raises(ValueError, match="shorter"):
            await batcher.submit(1, 1)
    thread.close()
