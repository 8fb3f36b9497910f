import asyncio
import time
from typing import cast

from aiokafka.errors import KafkaConnectionError
from structlog.testing import capture_logs

from carteiro.kafka.compacted_topic import CompactedTopic, TopicUnusable
from carteiro.ledger.ledger import Ledger
from carteiro.worker.batch_api.coordinator import BatchCoordinator
from carteiro.worker.batch_api.state import LEDGER_KEY, NAME_PREFIX_KEY, encode_ledger
from carteiro.worker.observability.metrics import REGISTRY
from tests.conftest import eventually
from tests.unit.wire.fake_record import FakeRecord
from tests.unit.worker.batch_api.fake_batch_api import CrashInjector, FakeBatchApi, FakeBatchModel
from tests.unit.worker.batch_api.fake_delivery import FakeDelivery, FakeLane
from tests.unit.worker.batch_api.killable_worker import SETTINGS, prompt


class FakeBatchTopic:
    """Topic of batches. It raises each of `failures` in turn, and then returns `values`."""

    name = "llm.generate.batches"

    def __init__(self, values: dict[bytes, bytes] | None = None, *failures: Exception) -> None:
        self.values, self.failures = values or {}, list(failures)

    async def read(self, partition: int) -> tuple[dict[bytes, bytes], int]:
        if self.failures:
            raise self.failures.pop(0)
        return self.values, 0


async def no_pause(seconds: float) -> None:
    await asyncio.sleep(0)


def make_coordinator(topic: FakeBatchTopic, api: FakeBatchApi | None = None) -> BatchCoordinator:
    models = {"openai:loud": FakeBatchModel(api or FakeBatchApi(CrashInjector()))}
    return BatchCoordinator("generate", cast("CompactedTopic", topic), models, SETTINGS, sleep=no_pause)


def pending_requests() -> float | None:
    return REGISTRY.get_sample_value("carteiro_batch_pending_requests", {"task": "generate"})


async def test_prompt_of_a_deferred_request_is_completed_by_a_batch_of_its_partition() -> None:
    coordinator, delivery, lane = make_coordinator(FakeBatchTopic()), FakeDelivery(), FakeLane(partition=2)
    assert coordinator.attach_delivery(delivery.interface, lane.interface) is delivery.interface
    await coordinator.on_assigned(2)
    request = coordinator.deferred_request(FakeRecord(b"", topic="llm.generate.deferred", partition=2, offset=7))
    item_id, completion = await request.batcher.complete(
        "openai:loud", prompt("a"), request.offset, time.monotonic() + 60, lambda *_: None
    )
    assert completion.text == "A"
    assert item_id.startswith("7-")
    assert {(record.topic, record.partition) for record in delivery.published} == {("llm.generate.batches", 2)}
    coordinator.on_lost(2)


async def test_assignment_returns_the_stored_ledger() -> None:
    topic = FakeBatchTopic({LEDGER_KEY: encode_ledger(Ledger(9, [4])), NAME_PREFIX_KEY: b"0123456789ab"})
    coordinator = make_coordinator(topic)
    ledger = await coordinator.on_assigned(0)
    assert (ledger.next_unseen, list(ledger.unfinished)) == (9, [4])
    (record,) = coordinator.snapshot_records(0, ledger)
    assert (record.topic, record.partition, record.key) == (topic.name, 0, LEDGER_KEY)
    assert record.value == topic.values[LEDGER_KEY]
    coordinator.on_lost(0)


async def test_state_that_cannot_be_read_is_read_again_and_logged_once_per_reason() -> None:
    failures = [TopicUnusable("create it"), TopicUnusable("create it"), KafkaConnectionError(), TimeoutError()]
    topic = FakeBatchTopic({NAME_PREFIX_KEY: b"0123456789ab"}, *failures)
    coordinator = make_coordinator(topic)
    with capture_logs() as lines:
        await coordinator.on_assigned(0)
    assert [line["log_level"] for line in lines] == ["error"] * 3
    assert not topic.failures
    coordinator.on_lost(0)


async def test_lost_partition_submits_nothing_any_more() -> None:
    api = FakeBatchApi(CrashInjector())
    topic = FakeBatchTopic({NAME_PREFIX_KEY: b"0123456789ab"})
    coordinator, delivery, lane = make_coordinator(topic, api), FakeDelivery(), FakeLane()
    coordinator.attach_delivery(delivery.interface, lane.interface)
    await coordinator.on_assigned(0)
    request = coordinator.deferred_request(FakeRecord(b"", partition=0, offset=0))
    lane.is_open = False
    call = asyncio.create_task(
        request.batcher.complete("openai:loud", prompt("a"), 0, time.monotonic() + 60, lambda *_: None)
    )
    await eventually(lambda: api.files)
    coordinator.on_lost(0)
    lane.is_open = True
    for _ in range(100):
        await asyncio.sleep(0)
    assert not api.batches
    call.cancel()


async def test_pending_requests_are_counted_while_they_are_tracked() -> None:
    coordinator, record = make_coordinator(FakeBatchTopic()), FakeRecord(b"", partition=0, offset=5)
    assert pending_requests() == 0
    coordinator.track(record)
    assert pending_requests() == 1
    coordinator.untrack(record)
    coordinator.untrack(record)
    assert pending_requests() == 0
