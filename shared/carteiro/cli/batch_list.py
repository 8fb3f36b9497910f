"""List of the open batches, with the number of requests and documents that wait for them."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from rich.console import Console
from rich.table import Table

from carteiro.cli.json_lines import print_json
from carteiro.cli.kafka import KafkaFailed, KafkaSession, read_kafka_settings, with_kafka
from carteiro.cli.plural import pluralise
from carteiro.index.collection_source import SERVED_PREFIX, served_topics
from carteiro.kafka.compacted_topic import read_compacted
from carteiro.worker.batch_api.state import LEDGER_KEY, BatchState, decode_batches, decode_ledger


@dataclass(frozen=True, slots=True)
class TaskBatches:
    """Unanswered deferred requests of one task, or documents of one collection, and its open batches."""

    task: str
    pending_requests: int
    batches: list[tuple[int, BatchState]]
    """Each batch with its partition."""


def print_batches(*, as_json: bool) -> None:
    """Print the open batches, and the number of requests that wait for them."""

    async def read(kafka: KafkaSession) -> list[TaskBatches]:
        return [await _read_task(kafka, name, waiting) for name, waiting in _waiting_topics(kafka).items()]

    found = with_kafka(read_kafka_settings(), read)
    if as_json:
        for each in found:
            for partition, batch in each.batches:
                print_json(_as_json(each.task, partition, batch))
        return
    if any(each.batches for each in found):
        _print_table(found)
    for each in found:
        if each.pending_requests or each.batches:
            requests, batches = each.pending_requests, len(each.batches)
            what = "document" if _is_collection(each.task) else "request"
            waiting = f"{pluralise(requests, what)} {'waits' if requests == 1 else 'wait'}"
            are_open = f"{pluralise(batches, 'batch', 'batches')} {'is' if batches == 1 else 'are'} open"
            print(f"{each.task}: {waiting}, {are_open}")
    if not any(each.pending_requests or each.batches for each in found):
        print("nothing waits for a batch")


def _waiting_topics(kafka: KafkaSession) -> dict[str, str]:
    """Return the topics of what waits, by the names of the tasks, collections and enrichments that have batches.

    Only the files of enrichments, and of some collections, name their topics: of theirs, what is not read yet does not
    count.
    """
    before, after = kafka.topics.batches("*").split("*")
    found = [each for each in sorted(kafka.existing) if each.startswith(before) and each.endswith(after)]
    names = [each.removeprefix(before).removesuffix(after) for each in found]
    own = {name: (kafka.topics.documents if _is_collection(name) else kafka.topics.deferred)(name) for name in names}
    collections = served_topics(os.environ.get("CARTEIRO_COLLECTIONS"), kafka.topics)
    # A dot is in the names of another prefix, such as llm.test.
    return {name: collections.get(name, topic) for name, topic in own.items() if "." not in name}


def _is_collection(name: str) -> bool:
    return name.startswith(SERVED_PREFIX)


async def _read_task(kafka: KafkaSession, task: str, waiting: str) -> TaskBatches:
    requests, open_batches = 0, []
    name = kafka.topics.batches(task)
    consumer = AIOKafkaConsumer(**kafka.options, enable_auto_commit=False)
    try:
        await consumer.start()
        ends = await _end_offsets(kafka, consumer, waiting)
        for partition in await kafka.partitions(name):
            kept, *_ = await read_compacted(kafka.options, TopicPartition(name, partition))
            ledger = decode_ledger(kept.get(LEDGER_KEY))
            # Offsets at or above the ledger's end have not been admitted yet. A transaction's marker is at the end.
            requests += len(ledger.unfinished) + max(ends.get(partition, 0) - ledger.next_unseen - 1, 0)
            open_batches += [(partition, batch) for batch in decode_batches(kept)]
    except (TimeoutError, ValueError) as error:
        raise KafkaFailed(f"{name} cannot be read: {error}") from None
    finally:
        await consumer.stop()
    return TaskBatches(task, requests, open_batches)


async def _end_offsets(kafka: KafkaSession, consumer: AIOKafkaConsumer, topic: str) -> Mapping[int, int]:
    if topic not in kafka.existing:
        return {}
    partitions = [TopicPartition(topic, each) for each in await kafka.partitions(topic)]
    ends: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
    return {each.partition: end for each, end in ends.items()}


def _as_json(task: str, partition: int, batch: BatchState) -> dict[str, object]:
    return {
        "task": task,
        "partition": partition,
        "batch": batch.name,
        "model": batch.model,
        "id": batch.provider_id,
        "prompts": len(batch.item_ids),
        "age_seconds": round(time.time() - batch.created_at),
    }


def _print_table(tasks: list[TaskBatches]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("task", "partition", "model", "provider's id", "prompts", "open for"):
        table.add_column(column, justify="right" if column in ("partition", "prompts", "open for") else "left")
    for each in tasks:
        for partition, batch in each.batches:
            age = time.time() - batch.created_at
            since = f"{age / 3600:.1f} h" if age >= 3600 else f"{age / 60:.0f} min"
            name = batch.provider_id or "not submitted"
            table.add_row(each.task, str(partition), batch.model, name, f"{len(batch.item_ids):,}", since)
    Console(markup=False, emoji=False).print(table)
