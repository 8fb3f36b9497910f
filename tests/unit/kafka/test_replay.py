"""Progress and stalls of a replay. `tests/broker/test_replay.py` replays topics of a broker."""

from typing import cast

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from carteiro.kafka.replay import ReplayProgress, ReplayStalled, replay

FIRST, SECOND = TopicPartition("t", 0), TopicPartition("t", 1)


class FakeConsumer:
    """Consumer whose positions a test sets. It has no records."""

    def __init__(self, *, ends: dict[TopicPartition, int]) -> None:
        self.ends, self.positions = ends, dict.fromkeys(ends, 0)
        self.polls, self.now = 0, 0.0

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {each: self.ends[each] for each in partitions}

    async def position(self, partition: TopicPartition) -> int:
        return self.positions[partition]

    async def getmany(self, *, timeout_ms: int) -> dict[TopicPartition, list[object]]:
        self.polls += 1
        self.now += timeout_ms / 1000
        return {}

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.positions[partition] = offset

    def assignment(self) -> set[TopicPartition]:
        return set(self.ends)

    def pause(self, *partitions: TopicPartition) -> None: ...
    def resume(self, *partitions: TopicPartition) -> None: ...

    @property
    def interface(self) -> AIOKafkaConsumer:
        return cast("AIOKafkaConsumer", self)

    def clock(self) -> float:
        return self.now


def make_progress(consumer: FakeConsumer) -> ReplayProgress:
    return ReplayProgress(consumer.interface, consumer.ends, 30.0, consumer.clock)


async def test_partition_is_done_once_its_position_is_at_the_end() -> None:
    consumer = FakeConsumer(ends={FIRST: 5, SECOND: 0})
    progress = make_progress(consumer)
    assert await progress.remaining() == {FIRST}
    consumer.positions[FIRST] = 4
    assert await progress.remaining() == {FIRST}
    consumer.positions[FIRST] = 7
    assert await progress.remaining() == set()


async def test_time_without_progress_is_bounded_and_any_progress_starts_it_again() -> None:
    consumer = FakeConsumer(ends={FIRST: 100, SECOND: 5})
    progress = make_progress(consumer)
    for position in range(10):
        consumer.positions[FIRST] = position
        consumer.now += 30
        assert await progress.remaining() == {FIRST, SECOND}
    consumer.now += 30
    await progress.remaining()
    consumer.now += 0.1
    with pytest.raises(ReplayStalled, match=r"t/0, t/1"):
        await progress.remaining()


async def test_progress_of_a_partition_that_is_done_does_not_hide_a_stall() -> None:
    consumer = FakeConsumer(ends={FIRST: 100, SECOND: 5})
    progress = make_progress(consumer)
    consumer.positions[SECOND] = 5
    await progress.remaining()
    consumer.positions[SECOND] = 6
    consumer.now += 31
    with pytest.raises(ReplayStalled, match=r"of t/0$"):
        await progress.remaining()


async def test_stall_ends_a_replay_in_bounded_time() -> None:
    consumer = FakeConsumer(ends={FIRST: 5})
    with pytest.raises(ReplayStalled):
        [_ async for _ in replay(consumer.interface, {FIRST: 0}, stall_seconds=30.0, now=consumer.clock)]
    assert 30 < consumer.now < 31


async def test_replay_from_the_end_polls_nothing() -> None:
    consumer = FakeConsumer(ends={FIRST: 5, SECOND: 0})
    starts = {FIRST: 5, SECOND: 0}
    assert [_ async for _ in replay(consumer.interface, starts, stall_seconds=30.0, now=consumer.clock)] == []
    assert consumer.polls == 0
