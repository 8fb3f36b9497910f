"""`carteiro batches`: which batches are open, and how many requests wait."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from rich.console import Console
from rich.table import Table

from carteiro.cli.json_lines import AsJson, print_json
from carteiro.cli.kafka import Kafka, KafkaFailed, settings, with_kafka
from carteiro.schemas import REQUESTS
from carteiro.worker.kafka.compacted_topic import read_compacted
from carteiro.worker.waiting.open_batch import LEDGER, OpenBatch, batches_of, decode_ledger


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits of a task: requests that are not answered, and the batches that are open for them."""

    task: str
    requests: int
    batches: list[tuple[int, OpenBatch]]
    """Each with its partition."""


def batches(as_json: AsJson = False) -> None:
    """List the batches that are open, and count the requests that wait for them.

    carteiro batches
    carteiro batches --json
    """

    async def read(kafka: Kafka) -> list[Waiting]:
        return [await _waiting(kafka, task) for task in REQUESTS if kafka.topics.batches(task) in kafka.existing]

    found = with_kafka(settings(), read)
    if as_json:
        for each in found:
            for partition, batch in each.batches:
                print_json(_shown(each.task, partition, batch))
        return
    if any(each.batches for each in found):
        _print(found)
    for each in found:
        if each.requests or each.batches:
            print(f"{each.task}: {each.requests:,} requests wait, {len(each.batches)} batches are open")
    if not any(each.requests or each.batches for each in found):
        print("nothing waits for a batch")


async def _waiting(kafka: Kafka, task: str) -> Waiting:
    requests, open_batches = 0, []
    waiting, name = kafka.topics.waiting(task), kafka.topics.batches(task)
    consumer = AIOKafkaConsumer(**kafka.options, enable_auto_commit=False)
    try:
        await consumer.start()
        ends = await _ends(kafka, consumer, waiting)
        for partition in await kafka.partitions(name):
            kept, _ = await read_compacted(kafka.options, TopicPartition(name, partition))
            ledger = decode_ledger(kept.get(LEDGER))
            # What is behind the ledger's end has not been taken up yet; at the end stands a transaction's marker.
            requests += len(ledger.still_open) + max(ends.get(partition, 0) - ledger.end - 1, 0)
            open_batches += [(partition, batch) for batch in batches_of(kept)]
    except (TimeoutError, ValueError) as error:
        raise KafkaFailed(f"{name} cannot be read: {error}") from None
    finally:
        await consumer.stop()
    return Waiting(task, requests, open_batches)


async def _ends(kafka: Kafka, consumer: AIOKafkaConsumer, topic: str) -> Mapping[int, int]:
    if topic not in kafka.existing:
        return {}
    partitions = [TopicPartition(topic, each) for each in await kafka.partitions(topic)]
    ends: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
    return {each.partition: end for each, end in ends.items()}


def _shown(task: str, partition: int, batch: OpenBatch) -> dict[str, object]:
    return {
        "task": task,
        "partition": partition,
        "batch": batch.name,
        "model": batch.model,
        "id": batch.id,
        "prompts": len(batch.lines),
        "age_seconds": round(time.time() - batch.made_at),
    }


def _print(found: list[Waiting]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("task", "partition", "model", "provider's id", "prompts", "open for"):
        table.add_column(column, justify="right" if column in ("partition", "prompts", "open for") else "left")
    for each in found:
        for partition, batch in each.batches:
            age = time.time() - batch.made_at
            since = f"{age / 3600:.1f} h" if age >= 3600 else f"{age / 60:.0f} min"
            name = batch.id or "not submitted"
            table.add_row(each.task, str(partition), batch.model, name, f"{len(batch.lines):,}", since)
    Console(markup=False).print(table)
