import asyncio
import itertools
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from carteiro.models.cloud.batch_api.interface import ProviderBatch
from carteiro.models.errors import (
    InvalidPrompt,
    Misconfigured,
    ModelError,
    RateLimited,
    Unavailable,
    attach_usage,
)
from carteiro.models.prompt import Prompt
from carteiro.models.results import Completion
from carteiro.schemas import Usage
from carteiro.worker.batch_api.stage import BatchStage
from tests.unit.worker.batch_api.fake_batch_api import CrashInjector, FakeBatchApi, FakeBatchModel
from tests.unit.worker.batch_api.job_lives import JobLives
from tests.unit.worker.batch_api.killable_worker import KillableWorker, open_batcher, prompt, run_to_end
from tests.unit.worker.batch_api.simulated_provider import Fate, Outcome, SimulatedProvider, VirtualClock


async def test_batch_failure_is_logged_without_its_message(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = asyncio.Event()

    async def look(_: str) -> ProviderBatch:
        looked.set()
        raise ValueError("canary")

    api, stored = FakeBatchApi(CrashInjector()), dict[bytes, bytes]()
    monkeypatch.setattr(api, "retrieve", look)
    batcher = open_batcher(api, stored)
    with capture_logs() as lines:
        waiting = asyncio.create_task(batcher.complete("openai:loud", prompt("x"), 0, time.monotonic() + 60))
        await looked.wait()
        while not any("cannot be followed" in line["event"] for line in lines):
            await asyncio.sleep(0)
        await batcher.close()
    waiting.cancel()
    (line,) = [line for line in lines if "cannot be followed" in line["event"]]
    assert line["failure"].startswith("ValueError < ")
    assert "exc_info" not in line


@pytest.mark.parametrize("fate", ["failed", "expired", "cancelled"])
async def test_leftover_items_of_a_batch_go_into_another(fate: str) -> None:
    api = FakeBatchApi(CrashInjector())
    api.final_status[1] = fate
    service = await run_to_end(api)
    assert service.replies == {0: ["A"], 1: ["B"]}
    assert len(api.batches) == 2


async def test_only_items_without_a_result_are_sent_again() -> None:
    api = FakeBatchApi(CrashInjector())
    api.missing_results.add('"b"')
    service = await run_to_end(api)
    assert service.replies == {0: ["A"], 1: ["B"]}
    assert api.paid == {"a": 1, "b": 1}


async def test_unusable_completion_is_paid_once_and_so_is_its_successor(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first completion is cut by the content filter. The second is not."""
    used, completion, paid = Usage(input_tokens=5, output_tokens=2), FakeBatchModel.completion, []
    failures: list[ModelError] = [Unavailable("half a completion")]
    attach_usage(failures[0], used)

    def fails_first(self: FakeBatchModel, answer: object, item_prompt: Prompt) -> Completion:
        if failures:
            raise failures.pop()
        return completion(self, answer, item_prompt)

    monkeypatch.setattr(FakeBatchModel, "completion", fails_first)
    batcher = open_batcher(FakeBatchApi(CrashInjector()), {})
    until = time.monotonic() + 60
    line, done = await batcher.complete("openai:loud", prompt("a"), 0, until, lambda *each: paid.append(each))
    await batcher.close()
    ((first, usage),) = paid
    assert usage == used
    assert first != line
    assert done.text == "A"


async def test_batch_over_the_quota_is_submitted_again_with_the_same_file() -> None:
    api = FakeBatchApi(CrashInjector())
    api.final_status[1] = api.final_status[2] = "no room"
    service = await run_to_end(api)
    assert service.replies == {0: ["A"], 1: ["B"]}
    assert len(api.batches) == 3
    assert len({batch["file"] for batch in api.batches.values()}) == 1


@pytest.mark.parametrize("trouble", [RateLimited("the list says no", 1), Misconfigured("the key"), Unavailable("away")])
async def test_failed_listing_does_not_mean_that_a_batch_is_missing(trouble: Exception) -> None:
    """The response to the submission is lost and the listing fails. The batch runs and must not be submitted again."""
    api = FakeBatchApi(CrashInjector())
    api.errors = {"submit": [Unavailable("lost")], "find": [trouble] * 6}
    service = await run_to_end(api)
    assert service.replies == {0: ["A"], 1: ["B"]}
    assert len(api.batches) == 1


async def test_provider_that_is_down_is_called_with_growing_pauses() -> None:
    clock = VirtualClock()
    provider = SimulatedProvider(clock, [Fate.OK, Fate.OK, Fate.LOST_ANSWER, *[Fate.DOWN] * 12])
    await JobLives(provider, clock).run()
    pauses = clock.pauses[1:13]
    assert provider.calls.count("submit") == 1
    assert pauses[0] <= 4
    assert all(later > earlier for earlier, later in itertools.pairwise(pauses[:8:2]))
    assert 300 <= pauses[-1] <= 600


async def test_abandoned_batch_is_not_submitted_later() -> None:
    """Its requests went on in another batch. A restart must not pay for both."""
    api = FakeBatchApi(CrashInjector(), polls_until_done=50)
    api.errors = {"submit": [InvalidPrompt("the file is not to our liking")]}
    service = KillableWorker([["a"]], api)
    first = asyncio.create_task(service.run())
    async with asyncio.timeout(10):
        while not api.batches:
            await asyncio.sleep(0.001)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert await service.run()
    api.finish_all()
    assert api.paid == {"a": 1}


async def test_batches_shrink_if_they_never_fit() -> None:
    api = FakeBatchApi(CrashInjector())
    api.max_lines = 2
    service = await run_to_end(api, requests=[["a"], ["b"], ["c"], ["d"]])
    assert service.replies == {0: ["A"], 1: ["B"], 2: ["C"], 3: ["D"]}
    assert api.paid == {"a": 1, "b": 1, "c": 1, "d": 1}


async def test_item_rejected_for_its_key_is_sent_again() -> None:
    api = FakeBatchApi(CrashInjector())
    api.rejected_once["a"] = True
    service = await run_to_end(api)
    assert service.replies == {0: ["A"], 1: ["B"]}


async def test_submitter_halted_before_its_submission_pays_nothing_when_it_resumes() -> None:
    """The submitter has stored its batch and another worker has taken over. Then its submission is sent anyway."""
    api = FakeBatchApi(CrashInjector())
    halted, awake = asyncio.Event(), asyncio.Event()
    submit = api.submit

    async def submit_late(name: str, file: str) -> ProviderBatch:
        if not halted.is_set():
            halted.set()
            await awake.wait()
        return await submit(name, file)

    api.submit = submit_late
    stored: dict[bytes, bytes] = {}
    old = open_batcher(api, stored, fenced := asyncio.Event())
    lost = asyncio.create_task(old.complete("openai:loud", prompt("a"), 0, time.monotonic() + 60))
    async with asyncio.timeout(10):
        await halted.wait()
        fenced.set()
        new = open_batcher(api, dict(stored))
        assert (await new.complete("openai:loud", prompt("a"), 0, time.monotonic() + 60))[1].text == "A"
        awake.set()
        await asyncio.wait([lost], timeout=0.05)
    api.finish_all()
    assert api.paid == {"a": 1}
    lost.cancel()
    for batcher in (old, new):
        await batcher.close()


@pytest.mark.parametrize("fate", [Fate.LOST_ANSWER, Fate.LATE, Fate.DEATH_AFTER, Fate.LATE_AND_DEATH])
async def test_batch_that_is_listed_late_is_found_and_not_submitted_again(fate: Fate) -> None:
    clock = VirtualClock()
    provider = SimulatedProvider(clock, [Fate.OK, Fate.OK, fate], listing_lag=55.0, lateness=100.0)
    lives = JobLives(provider, clock)
    await lives.run()
    assert [result.answer for result in lives.results.values()] == ["A", "A", "A"]
    assert set(provider.paid().values()) == {1}
    if fate is not Fate.LATE_AND_DEATH:
        assert len(provider.batches) == 1


@settings(max_examples=400)
@given(
    fates=st.lists(st.tuples(st.sampled_from([0, 0, 0, 1, 2, 5, 60]), st.sampled_from(Fate)), max_size=20),
    outcomes=st.lists(st.sampled_from(Outcome), max_size=7),
    listing_lag=st.floats(0, 55),
    lateness=st.floats(0, 3000),
    deadline=st.sampled_from([3 * 3600.0, 24 * 3600.0]),
)
def test_no_sequence_of_answers_errors_and_deaths_pays_twice_or_forgets_an_item(
    fates: list[tuple[int, Fate]], outcomes: list[Outcome], listing_lag: float, lateness: float, deadline: float
) -> None:
    """The provider's fates come after a number of calls that succeed."""
    clock, in_order = VirtualClock(), [each for count, fate in fates for each in [*[Fate.OK] * count, fate]]
    provider = SimulatedProvider(clock, in_order, outcomes, listing_lag=listing_lag, lateness=lateness)
    lives = JobLives(provider, clock, deadline=deadline)
    asyncio.run(lives.run())
    assert lives.open_requests == []
    assert lives.stored == {}
    paid = provider.paid()
    assert max(paid.values(), default=0) <= 1
    for offset, result in lives.results.items():
        assert (result.answer == "A") == (paid[result.id] == 1), (offset, "an unpaid item goes on, a paid one does not")


async def test_stages_of_a_batch_are_stored() -> None:
    clock = VirtualClock()
    lives = JobLives(SimulatedProvider(clock, outcomes=[Outcome.NO_ROOM]), clock)
    await lives.run()
    assert lives.written_stages == [
        BatchStage.SUBMITTING,
        BatchStage.RUNNING,
        BatchStage.UPLOADED,
        BatchStage.SUBMITTING,
        BatchStage.RUNNING,
        BatchStage.ENDED,
    ]
    assert [result.answer for result in lives.results.values()] == ["A", "A", "A"]


async def test_batch_that_never_finds_room_is_abandoned_and_later_batches_are_smaller() -> None:
    clock = VirtualClock()
    provider = SimulatedProvider(clock, outcomes=[Outcome.NO_ROOM] * 10)
    lives = JobLives(provider, clock)
    await lives.run()
    assert len(provider.batches) == 5
    assert lives.shrunk == 1
    assert lives.written_stages[-1] is BatchStage.ABANDONED


async def test_error_while_searching_does_not_lead_to_another_submission() -> None:
    """The answer to the submission is lost, the list does not show the batch yet, and the deletion is refused."""
    clock = VirtualClock()
    fates = [Fate.OK, Fate.OK, Fate.LATE, *[Fate.OK] * 62, *[Fate.RATE_LIMITED] * 3]
    provider = SimulatedProvider(clock, fates, lateness=50.0, listing_lag=55.0)
    lives = JobLives(provider, clock)
    await lives.run()
    assert provider.paid() == dict.fromkeys(("0-0000000000000000-0", "1-0000000000000000-0", "2-0000000000000000-0"), 1)
    assert provider.calls.count("submit") == 1


async def test_earlier_submission_that_found_no_room_is_not_taken_for_the_lost_one() -> None:
    """The answer to the second submission is lost, and the list shows only the first one yet."""
    clock = VirtualClock()
    fates = [*[Fate.OK] * 68, Fate.LOST_ANSWER]
    provider = SimulatedProvider(clock, fates, [Outcome.NO_ROOM], listing_lag=55.0)
    lives = JobLives(provider, clock)
    await lives.run()
    assert provider.calls[68] == "submit"
    assert set(provider.paid().values()) == {1}
    assert provider.calls.count("submit") == 2


async def test_record_is_deleted_before_the_files() -> None:
    """A reset of offsets after a death in between starts a new batch, and does not look for results that are gone."""
    clock = VirtualClock()
    provider = SimulatedProvider(clock)
    await JobLives(provider, clock).run()
    assert provider.calls[provider.calls.index("delete_file") - 1] == "publish"
    assert provider.calls[-1] == "delete_file"
