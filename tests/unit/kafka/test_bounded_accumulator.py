"""Batches of a producer, and a broker's answers to them. The tests build the answers themselves."""

import asyncio
import random
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import UnknownTopicOrPartitionError, for_code
from structlog.testing import capture_logs

from carteiro.kafka import bounded_accumulator as module
from carteiro.kafka.bounded_accumulator import _ProduceHandler
from carteiro.kafka.bounded_producer import BoundedProducer
from carteiro.wire.record import OutgoingRecord

NOT_ENOUGH_REPLICAS, TOO_LARGE = 19, 10


def record(size: int, partition: int = 0) -> OutgoingRecord:
    return OutgoingRecord("t", partition, None, random.randbytes(size), ())


def drained(producer: BoundedProducer) -> dict[TopicPartition, Any]:
    nodes, _ = producer._message_accumulator.drain_by_nodes(ignore_nodes=())
    return nodes.get(1, {})


async def test_requests_stay_below_the_bound_and_all_records_are_sent(producer: BoundedProducer) -> None:
    for partition in range(8):
        await producer.dispatch(record(30_000, partition))
    requests = []
    while batches := drained(producer):
        requests.append(batches)
    sizes = [sum(len(batch.get_data_buffer()) for batch in batches.values()) for batches in requests]
    assert max(sizes) < 100_000
    assert sorted(each.partition for batches in requests for each in batches) == list(range(8))


@pytest.mark.parametrize(
    ("gather_seconds", "request_seconds", "waits"), [(0.0, 0.0, False), (60.0, 1.0, True), (60.0, 61.0, False)]
)
async def test_records_come_together_until_the_time_between_requests_has_passed(
    producer: BoundedProducer,
    monkeypatch: pytest.MonkeyPatch,
    gather_seconds: float,
    request_seconds: float,
    waits: bool,
) -> None:
    now = [100.0]

    async def answer(_handler: _ProduceHandler, _node: int) -> None:
        now[0] += request_seconds

    monkeypatch.setattr(_ProduceHandler, "do", answer)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    sender = producer._sender
    sender.gather_seconds = gather_seconds
    sender._in_flight.add(1)
    sending = asyncio.create_task(sender._send_produce_req(1, {}))
    for _ in range(5):
        await asyncio.sleep(0)
    assert (1 in sender._in_flight) == waits
    sending.cancel()


async def test_batches_for_a_missing_topic_fail_at_once(producer: BoundedProducer) -> None:
    future = await producer.dispatch(record(10))
    producer._accumulator.set_missing("t", missing=True)
    assert not drained(producer)
    with pytest.raises(UnknownTopicOrPartitionError):
        await future


async def test_rejected_batch_returns_its_sequence_numbers(producer: BoundedProducer) -> None:
    futures = [await producer.dispatch(record(10)) for _ in range(3)]
    (batch,) = drained(producer).values()
    partition = TopicPartition("t", 0)
    assert producer._txn_manager.sequence_number(partition) == 3
    batch.failure(for_code(TOO_LARGE)())
    await asyncio.sleep(0)
    assert producer._txn_manager.sequence_number(partition) == 0
    for future in futures:
        future.cancel()
    await producer.cancel_splits()


async def test_too_few_in_sync_replicas_are_logged_once_and_retried(producer: BoundedProducer) -> None:
    await producer.dispatch(record(10))
    batches = drained(producer)
    answer = SimpleNamespace(API_VERSION=7, topics=[("t", [(0, NOT_ENOUGH_REPLICAS, -1, -1, 0)])])
    with capture_logs() as logs:
        for _ in range(3):
            request = _ProduceHandler(producer._sender, batches)
            request.handle_response(answer)
            assert request._to_reenqueue == list(batches.values())
    assert [each["topic"] for each in logs if "min.insync.replicas" in each["event"]] == ["t"]
