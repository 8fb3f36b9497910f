"""A stopped producer leaves no task behind."""

import asyncio
import contextlib

from aiokafka import TopicPartition

from carteiro.kafka import producers
from carteiro.kafka.producers import acknowledged_producer, stop_producer
from tests.conftest import eventually


async def silent_sender():
    """Run until cancelled, as aiokafka's sender does while a broker does not answer."""
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.Event().wait()


def producer_tasks(tasks):
    """Return the tasks of aiokafka's producers and of ours. Other parts of the process may start tasks meanwhile."""
    files = ("aiokafka/producer", "kafka/producers.py")
    return [task for task in tasks if any(file in task.get_coro().cr_code.co_filename for file in files)]


async def test_stop_with_unsent_records_leaves_no_task(monkeypatch):
    monkeypatch.setattr(producers, "_CLOSE_SECONDS", 0.05)
    producer = acknowledged_producer({"bootstrap_servers": "127.0.0.1:9"})
    before = asyncio.all_tasks()
    sender = producer._sender._sender_task = asyncio.create_task(silent_sender())
    partition = TopicPartition("replies", 0)
    await producer._message_accumulator.add_message(partition, None, b"reply", timeout=1)
    await stop_producer(producer)
    await eventually(lambda: sender.done() and not producer_tasks(asyncio.all_tasks() - before), 5)
