import asyncio
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from carteiro.models.errors import Unavailable
from carteiro.worker.batch_api.item import BatchItem, item_id
from carteiro.worker.batch_api.partition_jobs import PartitionJobs
from carteiro.worker.batch_api.stage import BatchStage
from carteiro.worker.batch_api.state import BatchState, decode_batches
from tests.conftest import eventually
from tests.unit.worker.batch_api.fake_batch_api import CrashInjector, FakeBatchApi, FakeBatchModel
from tests.unit.worker.batch_api.fake_publisher import FakePublisher
from tests.unit.worker.batch_api.killable_worker import SETTINGS, prompt


class Harness:
    """Jobs of a partition. A request is finished as soon as its item has a result."""

    def __init__(self) -> None:
        self.api = FakeBatchApi(CrashInjector())
        self.stored: dict[bytes, bytes] = {}
        self.items: dict[int, BatchItem] = {}
        self.replies_are_delivered = True
        self.jobs = PartitionJobs(
            "generate",
            {"openai:loud": FakeBatchModel(self.api)},
            FakePublisher(self.stored, self._is_finished),
            SETTINGS,
            lambda model: None,
        )

    def _is_finished(self, offset: int) -> bool:
        return self.replies_are_delivered and self.items[offset].result.done()

    def item(self, offset: int, words: str, *, waiters: int = 1) -> BatchItem:
        identifier = item_id(offset, {"words": words}, 0)
        result = asyncio.get_running_loop().create_future()
        deadline = asyncio.get_running_loop().time() + 60
        self.items[offset] = BatchItem(identifier, "openai:loud", prompt(words), deadline, 10, result, waiters)
        return self.items[offset]


@pytest.fixture
async def harness() -> AsyncIterator[Harness]:
    made = Harness()
    yield made
    await made.jobs.close()


async def test_items_are_completed_by_one_batch_and_nothing_is_left(harness: Harness) -> None:
    items = [harness.item(0, "a"), harness.item(1, "b")]
    await harness.jobs.create("name-1", items)
    assert items[0].id in harness.jobs
    results = await asyncio.gather(*(item.result for item in items))
    assert [result.answer for result in results] == ["A", "B"]
    await eventually(lambda: items[0].id not in harness.jobs)
    assert not harness.stored
    assert not harness.api.files
    assert len(harness.api.batches) == 1


async def test_items_that_no_call_waits_for_are_not_uploaded(harness: Harness) -> None:
    await harness.jobs.create("name-1", [harness.item(0, "a", waiters=0)])
    assert not harness.api.files
    awaited, unwanted = harness.item(1, "b"), harness.item(2, "c", waiters=0)
    await harness.jobs.create("name-2", [awaited, unwanted])
    await awaited.result
    assert set(harness.api.paid) == {"b"}


async def test_failed_upload_is_repeated(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    upload, failures = harness.api.upload, [Unavailable("away")] * 3

    async def fail_first(name: str, lines: list[bytes]) -> str:
        if failures:
            raise failures.pop()
        return await upload(name, lines)

    monkeypatch.setattr(harness.api, "upload", fail_first)
    item = harness.item(0, "a")
    await harness.jobs.create("name-1", [item])
    assert (await item.result).answer == "A"
    assert not failures


async def test_recovered_batch_gives_its_results_to_the_items_that_are_attached(harness: Harness) -> None:
    item = harness.item(0, "a")
    file = await harness.api.upload("name-1", [harness.api.encode_line(item.id, {"words": "a"})])
    batch = await harness.api.submit("name-1", file)
    state = BatchState("name-1", "openai:loud", file, (item.id,), 0.0, batch.id, BatchStage.RUNNING)
    harness.jobs.recover([state])
    assert harness.jobs.attach(item) is item
    assert (await item.result).answer == "A"
    assert len(harness.api.batches) == 1


async def test_batch_of_a_model_that_is_not_served_here_is_logged_and_left(harness: Harness) -> None:
    with capture_logs() as lines:
        harness.jobs.recover([BatchState("name-1", "openai:gone", "file-1", ("0-0-0",), 0.0)])
    assert [line["model"] for line in lines] == ["openai:gone"]
    assert "0-0-0" not in harness.jobs


async def test_only_files_that_no_record_names_are_deleted(harness: Harness) -> None:
    known, orphan, foreign = [await harness.api.upload(name, []) for name in ("here-1", "here-2", "there-1")]
    await harness.jobs.delete_orphaned_files("here", {known})
    assert set(harness.api.files) == {known, foreign}
    assert orphan not in harness.api.files


async def test_closed_jobs_stop_and_leave_their_records(harness: Harness) -> None:
    harness.replies_are_delivered = False
    item = harness.item(0, "a")
    await harness.jobs.create("name-1", [item])
    await eventually(lambda: harness.api.batches)
    await harness.jobs.close()
    assert item.id not in harness.jobs
    (batch,) = decode_batches(harness.stored)
    assert batch.item_ids == (item.id,)


async def test_item_that_a_recovered_batch_left_out_is_forgotten_with_its_job(harness: Harness) -> None:
    """The request comes back too late: the items that were awaited then are uploaded as another file without it."""
    early, late = harness.item(0, "a"), harness.item(1, "b", waiters=0)
    harness.jobs.recover(
        [BatchState("name-1", "openai:loud", "gone", (early.id, late.id), 0.0, stage=BatchStage.SUBMITTING)]
    )
    harness.jobs.attach(early)
    assert (await early.result).answer == "A"
    await eventually(lambda: early.id not in harness.jobs)
    assert late.id not in harness.jobs
