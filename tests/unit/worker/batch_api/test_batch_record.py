import asyncio

import pytest

from carteiro.worker.batch_api.batch_record import BatchRecord
from carteiro.worker.batch_api.stage import BatchStage
from carteiro.worker.batch_api.state import BatchState, decode_batch

STATE = BatchState("office-1", "openai:a", "file-1", (f"1-{0:016x}-0",), 0.0)


class SlowTopic:
    """Topic whose writes take `durations` seconds in turn, on a clock of its own, and then none."""

    def __init__(self, *durations: float) -> None:
        self.durations, self.now = list(durations), 0.0
        self.written: list[tuple[bytes, bytes | None]] = []

    def clock(self) -> float:
        return self.now

    async def publish(self, key: bytes, value: bytes | None) -> None:
        self.now += self.durations.pop(0) if self.durations else 0.0
        self.written.append((key, value))


def make_record(topic: SlowTopic) -> BatchRecord:
    return BatchRecord(STATE, topic.publish, topic.clock)


async def test_next_stage_is_stored_with_its_changes() -> None:
    topic = SlowTopic()
    record = make_record(topic)
    await record.advance(BatchStage.SUBMITTING)
    await record.advance(BatchStage.RUNNING, provider_id="batch-1")
    assert [decode_batch(value or b"") for _, value in topic.written][-1] == record.state
    assert (record.state.stage, record.state.provider_id) == (BatchStage.RUNNING, "batch-1")
    assert {key for key, _ in topic.written} == {b"office-1"}


async def test_write_that_took_long_is_repeated_since_the_partition_may_be_lost_by_now() -> None:
    topic = SlowTopic(6.0, 5.0, 1.0)
    await make_record(topic).advance(BatchStage.SUBMITTING)
    assert len(topic.written) == 3


async def test_batch_stays_in_its_stage_until_the_next_is_stored() -> None:
    async def publish(key: bytes, value: bytes | None) -> None:
        await asyncio.Event().wait()

    record = BatchRecord(STATE, publish)
    writing = asyncio.create_task(record.advance(BatchStage.SUBMITTING))
    for _ in range(10):
        await asyncio.sleep(0)
    assert record.state is STATE
    writing.cancel()


async def test_forbidden_transition_is_not_stored() -> None:
    topic = SlowTopic()
    with pytest.raises(ValueError, match="ENDED"):
        await make_record(topic).advance(BatchStage.ENDED)
    assert topic.written == []


async def test_deleted_record_is_a_tombstone() -> None:
    topic = SlowTopic()
    await make_record(topic).delete()
    assert topic.written == [(b"office-1", None)]
