"""A partition is read from the offset that its lane gives, and paused while there is no room."""

from unittest.mock import Mock

import pytest
from aiokafka.errors import IllegalStateError

from carteiro.worker.delivery.commit_validation import LogBounds
from carteiro.worker.delivery.partition_consumer import PartitionConsumer
from carteiro.worker.delivery.progress import Progress
from carteiro.worker.delivery.scheduler import KeyedScheduler
from tests.conftest import eventually
from tests.unit.wire.record_batches.batch_builder import PARTITION, encode_batch, split_one

LOG = LogBounds(3, 1000)


class FakeConsumer(Mock):
    """Records its position, and if it is paused."""

    def __init__(self, **more) -> None:
        super().__init__(**more)
        self.paused = self.offset = None

    def pause(self, _) -> None:
        self.paused = True

    def resume(self, _) -> None:
        self.paused = False

    def seek(self, _, offset) -> None:
        self.offset = offset

    def assignment(self):
        return {PARTITION}


@pytest.fixture
def consumer() -> FakeConsumer:
    return FakeConsumer(spec=["anything"])


@pytest.fixture
def scheduler() -> KeyedScheduler:
    return KeyedScheduler(4, lambda _: True, by_key=False)


@pytest.fixture
def partition_consumer(consumer, scheduler) -> PartitionConsumer:
    partition_consumer = PartitionConsumer(
        PARTITION, consumer, scheduler, Mock(must_isolate_batches=False), Progress(), Mock()
    )
    partition_consumer.on_assigned()
    return partition_consumer


def record_batch(count: int, base: int):
    return split_one(encode_batch([(None, b"{}", [])] * count, base=base), base)


async def test_partition_is_paused_until_it_is_started(partition_consumer, consumer):
    assert consumer.paused
    partition_consumer.start(10, LOG)
    partition_consumer.continue_reading()
    assert (consumer.offset, consumer.paused) == (10, False)


async def test_batches_before_the_start_are_dropped(partition_consumer, scheduler):
    partition_consumer.on_record_batches([record_batch(2, 0)])
    partition_consumer.start(0, LOG)
    assert not scheduler.buffered


async def test_reading_starts_at_the_log_start_if_it_is_later(partition_consumer, consumer):
    partition_consumer.start(1, LOG)
    assert consumer.offset == LOG.start


async def test_partition_is_paused_while_the_buffer_is_full(partition_consumer, consumer, scheduler):
    partition_consumer.start(10, LOG)
    partition_consumer.on_record_batches([record_batch(20, 10)])
    assert consumer.paused
    await eventually(lambda: scheduler.buffered == 20)
    while scheduler.buffered:
        scheduler.mark_done(scheduler.next().offset)
    partition_consumer.continue_reading()
    assert not consumer.paused


async def test_position_is_reset_to_the_last_accepted_batch(partition_consumer, consumer):
    partition_consumer.start(10, LOG)
    partition_consumer.on_record_batches([record_batch(3, 10)])
    consumer.offset = 99
    partition_consumer.reset_position()
    assert consumer.offset == 13


async def test_offset_out_of_range_without_a_known_end_reads_from_the_log_start(partition_consumer, consumer):
    partition_consumer.start(10, LOG)
    assert partition_consumer.on_offset_out_of_range()
    assert not partition_consumer.is_reading
    partition_consumer.start(10, LogBounds(3))
    assert consumer.offset == 3
    partition_consumer.start(10, LogBounds(3))
    assert consumer.offset == 10


async def test_resume_of_a_revoked_partition_is_tried_again(partition_consumer, consumer):
    consumer.resume = Mock(side_effect=IllegalStateError)
    partition_consumer.start(10, LOG)
    partition_consumer.continue_reading()
    del consumer.resume
    consumer.resume = Mock()
    partition_consumer.continue_reading()
    consumer.resume.assert_called_once_with(PARTITION)
