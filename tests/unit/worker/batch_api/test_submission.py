"""The single steps of a submission. `test_job.py` plays them through lost answers and deaths."""

from collections.abc import Sequence

import pytest

from carteiro.models.errors import Unavailable
from carteiro.worker.batch_api.batch_record import BatchRecord
from carteiro.worker.batch_api.item import BatchItem
from carteiro.worker.batch_api.job_items import JobItems
from carteiro.worker.batch_api.stage import BatchStage
from carteiro.worker.batch_api.state import BatchState, decode_batch
from carteiro.worker.batch_api.submission import Submission
from tests.unit.worker.batch_api.job_lives import item_name
from tests.unit.worker.batch_api.simulated_provider import Fate, Outcome, SimulatedProvider, VirtualClock
from tests.unit.worker.batch_api.test_job_items import make_item

LISTING_DELAY = 60.0
IDS = (item_name(1), item_name(2))


class Harness:
    """One submission of a batch with two items."""

    def __init__(self, *fates: Fate, stage: BatchStage = BatchStage.UPLOADED, listing_lag: float = 0.0) -> None:
        self.clock, self.stored = VirtualClock(), list[bytes | None]()
        self.provider = SimulatedProvider(self.clock, fates, [Outcome.COMPLETED] * 9, listing_lag=listing_lag)
        self.provider.files["file"] = [*IDS]
        self.record = BatchRecord(BatchState("name", "openai:a", "file", IDS, 0.0, stage=stage), self._publish)
        self.items = JobItems(IDS, lambda _: False)
        self.submission = Submission(self.record, self.items, self.provider, self._upload, LISTING_DELAY, self.clock)

    async def _publish(self, key: bytes, value: bytes | None) -> None:
        self.stored.append(value)

    async def _upload(self, name: str, items: Sequence[BatchItem]) -> str:
        return await self.provider.upload_ids([item.id for item in items])


async def test_submission_is_stored_before_and_after_it() -> None:
    harness = Harness()
    await harness.submission.submit()
    stages = [batch.stage for value in harness.stored if value and (batch := decode_batch(value))]
    assert stages == [BatchStage.SUBMITTING, BatchStage.RUNNING]
    assert harness.record.state.provider_id in harness.provider.batches


async def test_lost_answer_leaves_the_submission_open_and_the_list_has_it() -> None:
    harness = Harness(Fate.OK, Fate.LOST_ANSWER)
    with pytest.raises(Unavailable):
        await harness.submission.submit()
    assert harness.record.state.stage is BatchStage.SUBMITTING
    await harness.submission.find()
    assert harness.record.state.stage is BatchStage.RUNNING
    assert list(harness.provider.batches) == [harness.record.state.provider_id]


async def test_batch_counts_as_unlisted_only_after_the_delay_from_the_first_look() -> None:
    harness = Harness(stage=BatchStage.SUBMITTING)
    harness.clock.now = 1000.0
    await harness.submission.find()
    assert not harness.submission.unlisted
    harness.clock.now += LISTING_DELAY - 1
    await harness.submission.find()
    assert not harness.submission.unlisted
    harness.clock.now += 1
    await harness.submission.find()
    assert harness.submission.unlisted


async def test_deletion_of_the_file_begins_another_search() -> None:
    harness = Harness(stage=BatchStage.SUBMITTING)
    harness.submission.unlisted = True
    await harness.submission.delete_file()
    assert harness.provider.files == {}
    assert (harness.submission.file_deleted, harness.submission.unlisted) == (True, False)


async def test_only_the_awaited_items_are_uploaded_again() -> None:
    harness = Harness(stage=BatchStage.SUBMITTING)
    item = make_item(2)
    item.id = IDS[1]
    harness.items.attach(item)
    await harness.submission.upload_again()
    state = harness.record.state
    assert (state.stage, state.item_ids) == (BatchStage.UPLOADED, (IDS[1],))
    assert harness.provider.files[state.file] == [IDS[1]]


async def test_batch_that_was_submitted_twice_runs_once() -> None:
    harness = Harness(stage=BatchStage.SUBMITTING)
    for _ in range(2):
        await harness.provider.submit("name", "file")
    await harness.submission.find()
    assert set(harness.provider.paid().values()) == {1}
    assert not harness.provider.batches[harness.record.state.provider_id or ""].cancelled


async def test_second_batch_that_cannot_be_cancelled_keeps_the_search_open() -> None:
    harness = Harness(*[Fate.OK] * 3, Fate.DOWN, stage=BatchStage.SUBMITTING)
    for _ in range(2):
        await harness.provider.submit("name", "file")
    with pytest.raises(Unavailable):
        await harness.submission.find()
    assert harness.record.state.stage is BatchStage.SUBMITTING
    await harness.submission.find()
    assert set(harness.provider.paid().values()) == {1}
