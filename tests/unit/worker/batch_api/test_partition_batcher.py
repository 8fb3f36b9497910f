import asyncio
import itertools
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carteiro.worker.batch_api.partition_batcher import DeadlineNear, PartitionBatcher
from tests.unit.worker.batch_api.fake_batch_api import CrashInjector, FakeBatchApi, FakeBatchModel
from tests.unit.worker.batch_api.fake_publisher import FakePublisher
from tests.unit.worker.batch_api.killable_worker import SETTINGS, open_batcher, prompt, run_to_end, run_with_crashes

TWO_STEPS = [["a", "again"], ["b"], ["c"], ["d"], ["e"], ["f", "again"]]


def test_prompts_go_into_batches_of_the_maximum_size() -> None:
    service = run_with_crashes([[word] for word in "abcdefghij"])
    assert service.replies == {offset: [word.upper()] for offset, word in enumerate("abcdefghij")}
    assert len(service.api.batches) == 3
    assert not service.api.files


def test_kill_at_any_step_loses_nothing() -> None:
    whole = run_with_crashes(TWO_STEPS)
    assert whole.replies[0] == ["A", "AGAIN A"]
    for step, after in itertools.product(range(1, whole.api.crashes.count + 1), (False, True)):
        service = run_with_crashes(TWO_STEPS, [(step, after)])
        assert service.replies == whole.replies
        assert service.api.paid == whole.api.paid, (step, after)
        assert max(service.api.paid.values()) == 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(1, 25), st.booleans()), max_size=6))
def test_no_series_of_kills_loses_a_request_or_pays_twice(kills: list[tuple[int, bool]]) -> None:
    service = run_with_crashes(TWO_STEPS, kills)
    assert len(service.replies) == len(TWO_STEPS)
    assert max(service.api.paid.values()) == 1
    assert not service.api.files


async def test_batch_without_waiters_is_cancelled() -> None:
    """After a stop that outlasts the deadlines, the requests are sent as live calls and are not paid twice."""
    api = FakeBatchApi(CrashInjector(), polls_until_done=10**9)
    stored: dict[bytes, bytes] = {}

    batcher = open_batcher(api, stored)
    call = asyncio.create_task(batcher.complete("openai:loud", prompt("a"), 0, time.monotonic() + 60))
    async with asyncio.timeout(10):
        while not api.batches:
            await asyncio.sleep(0.001)
    call.cancel()
    await batcher.close()
    batcher.open(stored)
    async with asyncio.timeout(10):
        while not api.batches["batch-1"].get("cancelled"):
            await asyncio.sleep(0.001)
    await batcher.close()


async def test_closed_batcher_breaks_no_promise() -> None:
    batcher = PartitionBatcher(
        "generate", {"openai:loud": FakeBatchModel(FakeBatchApi(CrashInjector()))}, FakePublisher(), SETTINGS
    )
    with pytest.raises(DeadlineNear):
        await batcher.complete("openai:loud", prompt("a"), 0, time.monotonic() + 0.6)


async def test_prompt_that_no_batch_completes_falls_back_to_a_live_call() -> None:
    api = FakeBatchApi(CrashInjector())
    api.final_status = dict.fromkeys(range(1, 20), "failed")
    with pytest.raises(DeadlineNear):
        await run_to_end(api)
    assert len(api.batches) == 3


async def test_batch_is_cancelled_before_a_deadline_is_missed() -> None:
    api = FakeBatchApi(CrashInjector(), polls_until_done=10**9)
    with pytest.raises(DeadlineNear):
        await run_to_end(api, deadline_seconds=1.2)
    assert api.batches["batch-1"]["cancelled"]
    assert not api.paid


async def test_short_deadline_uploads_nothing() -> None:
    api = FakeBatchApi(CrashInjector())
    with pytest.raises(DeadlineNear):
        await run_to_end(api, deadline_seconds=0.5)
    assert not api.batches


async def test_repeated_prompt_of_a_request_is_one_item() -> None:
    api = FakeBatchApi(CrashInjector())
    batcher = PartitionBatcher("generate", {"openai:loud": FakeBatchModel(api)}, FakePublisher(), SETTINGS)
    batcher.open({})
    twice = [batcher.complete("openai:loud", prompt("a"), 0, time.monotonic() + 60) for _ in range(2)]
    assert [each.text for _, each in await asyncio.gather(*twice)] == ["A", "A"]
    assert api.paid == {"a": 1}
    await batcher.close()


async def test_requests_survive_a_batcher_that_is_reopened() -> None:
    api = FakeBatchApi(CrashInjector(), polls_until_done=50)
    stored: dict[bytes, bytes] = {}

    batcher = open_batcher(api, stored)
    call = asyncio.create_task(batcher.complete("openai:loud", prompt("a"), 0, time.monotonic() + 60))
    async with asyncio.timeout(10):
        while not api.batches:
            await asyncio.sleep(0.001)
        await batcher.close()
        batcher.open(stored)
        assert (await call)[1].text == "A"
    assert api.paid == {"a": 1}
    await batcher.close()


async def test_batch_that_cannot_be_stored_is_not_submitted() -> None:
    """Another worker may already have the partition: its transactions fence this worker's writes off."""
    api = FakeBatchApi(CrashInjector())
    writing = asyncio.Event()

    class Publisher(FakePublisher):
        async def publish(self, key: bytes, value: bytes | None) -> None:
            if key != b"name_prefix":
                writing.set()
                await asyncio.Event().wait()

    batcher = PartitionBatcher("generate", {"openai:loud": FakeBatchModel(api)}, Publisher(), SETTINGS)
    batcher.open({})
    call = asyncio.create_task(batcher.complete("openai:loud", prompt("a"), 0, time.monotonic() + 60))
    async with asyncio.timeout(10):
        await writing.wait()
    for _ in range(100):
        await asyncio.sleep(0)
    assert api.files
    assert not api.batches
    await batcher.close()
    call.cancel()
