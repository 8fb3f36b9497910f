"""Replies that the broker acknowledges are committed; a failed reply is sent again until it is acknowledged."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import (
    CommitFailedError,
    MessageSizeTooLargeError,
    OffsetMetadataTooLargeError,
    RequestTimedOutError,
    UnknownTopicOrPartitionError,
)
from structlog.testing import capture_logs

from carteiro.kafka.broker_limits import MAX_METADATA_BYTES
from carteiro.worker.delivery.acknowledged import AcknowledgedDelivery, OffsetCommitter, PartitionNotOwned
from tests.conftest import eventually
from tests.unit.wire.record_batches.batch_builder import PARTITION
from tests.unit.worker.delivery.fake_consumer import FakeConsumer
from tests.unit.worker.delivery.fake_kafka import FakeKafka, FakeProducer
from tests.unit.worker.delivery.fake_lane import (
    JOURNAL,
    REPLIES,
    FakeContext,
    FakeOutcome,
    KeptOutcome,
    UnpreparedOutcome,
    reply,
)

INBOX = "inbox"
OTHER = TopicPartition(PARTITION.topic, 1)


class Worker:
    """A worker with one committer that runs."""

    def __init__(self) -> None:
        self.kafka = FakeKafka()
        self.producer, self.consumer = FakeProducer(self.kafka), FakeConsumer(self.kafka)
        self.committer = OffsetCommitter()
        self.context = FakeContext(admitted=4)

    def delivery(self, context: FakeContext | None = None) -> AcknowledgedDelivery:
        return AcknowledgedDelivery(self.producer, self.committer, context or self.context)  # type: ignore[arg-type]


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    worker = Worker()
    running = asyncio.create_task(worker.committer.run(worker.consumer))  # type: ignore[arg-type]
    yield worker
    running.cancel()


async def test_acknowledged_reply_is_committed(worker: Worker) -> None:
    await worker.delivery().deliver({0: FakeOutcome(b"0")})
    await eventually(lambda: worker.kafka.commits)
    assert worker.kafka.values(REPLIES) == [b"0"]
    assert worker.kafka.commits[PARTITION].offset == 1
    assert worker.context.acknowledged == [0]


async def test_reply_is_not_committed_before_it_is_acknowledged(worker: Worker) -> None:
    worker.kafka.hangs.add("write")
    delivery = worker.delivery()
    await delivery.deliver({0: FakeOutcome(b"0")})
    await worker.kafka.hung.wait()
    await delivery.commit()
    assert worker.kafka.commits[PARTITION].offset == 0
    worker.kafka.release()
    await eventually(lambda: worker.kafka.commits[PARTITION].offset == 1)


async def test_failed_reply_is_sent_again(worker: Worker) -> None:
    worker.kafka.errors["write"] = [RequestTimedOutError()]
    worker.kafka.errors["dispatch"] = [RequestTimedOutError()]
    await worker.delivery().deliver({0: FakeOutcome(b"0"), 1: FakeOutcome(b"1")})
    await eventually(lambda: len(worker.context.acknowledged) == 2)
    assert sorted(worker.kafka.values(REPLIES), key=str) == [b"0", b"1"]


async def test_rejected_reply_gets_a_fallback(worker: Worker) -> None:
    worker.kafka.rejection = lambda record: MessageSizeTooLargeError() if record.value == b"large" else None
    await worker.delivery().deliver({0: FakeOutcome(b"large", fallback=b"error"), 1: FakeOutcome(b"1")})
    await eventually(lambda: len(worker.context.acknowledged) == 2)
    assert sorted(worker.kafka.values(REPLIES), key=str) == [b"1", b"error"]
    assert isinstance(worker.context.replaced[0].reason, MessageSizeTooLargeError)


async def test_fallback_is_prepared_before_it_is_sent(worker: Worker) -> None:
    worker.kafka.rejection = lambda record: MessageSizeTooLargeError() if record.value == b"large" else None
    await worker.delivery().deliver({0: UnpreparedOutcome(b"large")})
    await eventually(lambda: worker.context.acknowledged)
    assert worker.kafka.values(REPLIES) == [b"prepared"]
    assert worker.context.replaced[0].records[0].value == b"prepared"


async def test_missing_topic_delays_only_its_own_reply(worker: Worker) -> None:
    worker.kafka.unavailable_topics[INBOX] = UnknownTopicOrPartitionError(INBOX)
    with capture_logs() as logs:
        await worker.delivery().deliver({0: FakeOutcome(b"0", INBOX), 1: FakeOutcome(b"1")})
        await eventually(lambda: worker.context.acknowledged == [1] and worker.context.unavailable == [0])
    assert [each["topic"] for each in logs if "trying again" in each["event"]] == [INBOX]
    del worker.kafka.unavailable_topics[INBOX]
    await eventually(lambda: worker.context.acknowledged == [1, 0])
    assert worker.kafka.values(INBOX) == [b"0"]


async def test_changed_partitions_are_committed_by_a_single_request(worker: Worker) -> None:
    worker.consumer.assigned = {PARTITION, OTHER}
    contexts = [FakeContext(admitted=1), FakeContext(admitted=1, partition=OTHER)]
    await asyncio.gather(*(worker.delivery(context).commit() for context in contexts))
    assert worker.kafka.commits.keys() == {PARTITION, OTHER}
    assert worker.consumer.commit_requests == 1


async def test_commit_of_a_partition_of_another_worker_is_an_error(worker: Worker) -> None:
    worker.consumer.assigned = set()
    with pytest.raises(PartitionNotOwned):
        await worker.delivery().commit()
    worker.consumer.assigned = {PARTITION}
    worker.kafka.errors["commit"] = [CommitFailedError()]
    with pytest.raises(PartitionNotOwned):
        await worker.delivery().commit()


async def test_failed_commit_is_raised_and_tried_again(worker: Worker) -> None:
    worker.kafka.errors["commit"] = [RequestTimedOutError()]
    with pytest.raises(RequestTimedOutError):
        await worker.delivery().commit()
    await eventually(lambda: worker.kafka.commits)


async def test_rejected_metadata_lowers_the_limit(worker: Worker) -> None:
    worker.kafka.errors["commit"] = [OffsetMetadataTooLargeError()]
    with pytest.raises(OffsetMetadataTooLargeError):
        await worker.delivery().commit()
    assert worker.committer.limits.metadata_bytes < MAX_METADATA_BYTES


async def test_snapshot_is_published_before_the_commit(worker: Worker) -> None:
    worker.context.snapshot = [reply(b"ledger", "batches")]
    worker.kafka.errors["dispatch"] = [RequestTimedOutError()]
    with pytest.raises(RequestTimedOutError):
        await worker.delivery().commit()
    assert worker.kafka.commits == {}
    await worker.delivery().commit()
    assert set(worker.kafka.values("batches")) == {b"ledger"}


async def test_closed_delivery_sends_nothing_again(worker: Worker) -> None:
    worker.kafka.unavailable_topics[INBOX] = UnknownTopicOrPartitionError(INBOX)
    worker.kafka.hangs.add("write")
    delivery = worker.delivery()
    await delivery.deliver({0: FakeOutcome(b"0", INBOX), 1: FakeOutcome(b"1")})
    await worker.kafka.hung.wait()
    await delivery.close()
    worker.kafka.errors["write"] = [RequestTimedOutError()]
    del worker.kafka.unavailable_topics[INBOX]
    worker.kafka.release()
    await asyncio.sleep(0.5)  # longer than the first pause between two tries
    assert (worker.kafka.values(INBOX), worker.kafka.values(REPLIES), worker.context.acknowledged) == ([], [], [])


async def test_journal_is_deleted_once_the_reply_is_committed(worker: Worker) -> None:
    worker.kafka.hangs.add("commit")
    await worker.delivery().deliver({0: KeptOutcome(b"0")})
    await worker.kafka.hung.wait()
    assert worker.kafka.values(REPLIES) == [b"0"]
    assert worker.kafka.values(JOURNAL) == []
    worker.kafka.release()
    await eventually(lambda: worker.kafka.values(JOURNAL) == [None])


async def test_journal_stays_until_a_commit_succeeds(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carteiro.worker.delivery.acknowledged._RETRY_SECONDS", 0.01)
    worker.kafka.errors["commit"] = [RequestTimedOutError()]
    await worker.delivery().deliver({0: KeptOutcome(b"0")})
    await eventually(lambda: worker.kafka.values(JOURNAL) == [None])
    assert worker.consumer.commit_requests == 2


async def test_topic_that_takes_no_deletion_costs_nothing(worker: Worker) -> None:
    worker.kafka.rejection = lambda record: UnknownTopicOrPartitionError() if record.topic == JOURNAL else None
    outcome = KeptOutcome(b"0")
    await worker.delivery().deliver({0: outcome})
    await eventually(lambda: outcome.cleanup.errors)
    assert worker.kafka.commits[PARTITION].offset == 1
