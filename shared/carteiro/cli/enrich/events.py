"""Events of an enrichment's topic, read without a consumer group, and its backlog."""

from collections.abc import Mapping
from contextlib import aclosing
from datetime import UTC, datetime

from aiokafka import AIOKafkaConsumer, TopicPartition

from carteiro.cli.kafka import KafkaFailed, KafkaSession
from carteiro.kafka.committed_offsets import committed_offsets
from carteiro.kafka.replay import ReplayStalled, replay
from carteiro.wire.record import Record
from carteiro.wire.record_batches.tolerant_reader import RAW_BATCH_OPTIONS

_STALL_SECONDS = 30.0


def parse_time(text: str) -> datetime:
    """Return the time that ISO 8601 text such as `2026-11-01` or `2026-11-01T08:00Z` names; UTC by default.

    Raise `ValueError`.
    """
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


async def start_offsets(
    consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int], since: datetime
) -> dict[TopicPartition, int]:
    """Return the offset of each partition's first event at or after `since`; its end, of `ends`, if it has none."""
    found = await consumer.offsets_for_times(dict.fromkeys(ends, max(int(since.timestamp() * 1000), 0)))
    return {each: found[each].offset if found.get(each) else end for each, end in ends.items()}


async def read_events(kafka: KafkaSession, topic: str, count: int, since: datetime | None) -> list[Record]:
    """Return `count` events: the first ones since `since`, or the latest ones. Fewer if the topic has no more.

    Raise `KafkaFailed` if the broker does not return them.
    """
    partitions = [TopicPartition(topic, each) for each in await kafka.partitions(topic)]
    since_ms = since.timestamp() * 1000 if since is not None else -1
    consumer = AIOKafkaConsumer(
        **kafka.options, **RAW_BATCH_OPTIONS, enable_auto_commit=False, isolation_level="read_committed"
    )
    try:
        await consumer.start()
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        if since is not None:
            starts = await start_offsets(consumer, ends, since)
        else:
            begins = await consumer.beginning_offsets(partitions)
            starts = {each: max(begins[each], ends[each] - count) for each in partitions}
        records = list[Record]()
        async with aclosing(replay(consumer, starts, stall_seconds=_STALL_SECONDS, ends=ends)) as events:
            async for record in events:
                # The embedded broker has no index by time, and starts at the oldest event.
                if record.timestamp >= since_ms:
                    records.append(record)
                if since is not None and len(records) == count:
                    break
    except ReplayStalled as stalled:
        raise KafkaFailed(f"the broker does not return the events of {stalled.names}") from None
    finally:
        await consumer.stop()
    ordered = sorted(records, key=lambda record: (record.timestamp, record.partition, record.offset))
    return ordered[:count] if since is not None else ordered[-count:]


async def count_backlog(kafka: KafkaSession, topic: str, group: str, since: datetime | None) -> int:
    """Return the number of events after the group's committed offsets; without those, since `since` or the start."""
    partitions = [TopicPartition(topic, each) for each in await kafka.partitions(topic)]
    async with AIOKafkaConsumer(**kafka.options, enable_auto_commit=False) as consumer:
        ends = await consumer.end_offsets(partitions)
        begins = (
            await start_offsets(consumer, ends, since)
            if since is not None
            else await consumer.beginning_offsets(partitions)
        )
        committed = await committed_offsets(kafka.admin, group, partitions)
    return sum(
        max(ends[each] - (committed[each].offset if committed[each].offset >= 0 else begins[each]), 0)
        for each in partitions
    )


async def commit_start(kafka: KafkaSession, topic: str, group: str, since: datetime) -> bool:
    """Let the group start at `since`. Return False, and do nothing, if it has started already."""
    partitions = [TopicPartition(topic, each) for each in await kafka.partitions(topic)]
    if any(each.offset >= 0 for each in (await committed_offsets(kafka.admin, group, partitions)).values()):
        return False
    consumer = AIOKafkaConsumer(**kafka.options, group_id=group, enable_auto_commit=False)
    try:
        await consumer.start()
        consumer.assign(partitions)
        await consumer.commit(await start_offsets(consumer, await consumer.end_offsets(partitions), since))
    finally:
        await consumer.stop()
    return True
