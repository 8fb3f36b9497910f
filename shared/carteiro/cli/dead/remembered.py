"""Which letters have been redriven: in the commits of a consumer group of its own, that nobody ever joins.

The committed offset of each partition is that of the first letter that waits; which of those after it have been
redriven stands in the commit's metadata, as it does for requests. That has limits: a ledger that is too large is
cut, some brokers keep no metadata (the embedded one), both of which the commands tell; and Kafka drops the commits of
a group after `offsets.retention.minutes` without a new one, seven days unless told otherwise.
"""

import asyncio
from collections.abc import Iterable, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from carteiro.cli.kafka import KafkaFailed
from carteiro.worker.delivery.ledger import Ledger
from carteiro.worker.delivery.metadata import decode, encode, recover
from carteiro.worker.delivery.suspects import Suspects
from carteiro.worker.kafka.committed import committed_offsets

_TRIES = 20
_TRY_AGAIN_SECONDS = 0.5
_COMMIT_SECONDS = 20.0


def group(task: str) -> str:
    """The consumer group whose commits remember."""
    return f"carteiro-dead-{task}"


async def recall(admin: AIOKafkaAdminClient, task: str, partitions: list[TopicPartition]) -> dict[int, Ledger]:
    """What is remembered, by partition: which letters are finished. Raises `KafkaFailed`.

    The consumer's own `committed()` gives the offset without its metadata, so it is the admin client that asks.
    """
    reason = ""
    for _ in range(_TRIES):
        try:
            found = await committed_offsets(admin, group(task), partitions)
            return {each.partition: _ledger(found[each]) for each in partitions}
        except KafkaError as error:
            reason = repr(error)
            if not error.retriable:
                break
        await asyncio.sleep(_TRY_AGAIN_SECONDS)
    raise KafkaFailed(f"cannot read which letters were redriven, from consumer group {group(task)}: {reason}")


async def remember(
    consumer: AIOKafkaConsumer, admin: AIOKafkaAdminClient, task: str, topic: str, ledgers: Mapping[int, Ledger]
) -> None:
    """Commit the ledgers, by partition, and keep what somebody else has committed since. Raises `KafkaFailed`."""
    partitions = [TopicPartition(topic, each) for each in ledgers]
    for number, theirs in (await recall(admin, task, partitions)).items():
        ledgers[number].merge(theirs)
    offsets = {each: OffsetAndMetadata(*encode(ledgers[each.partition], Suspects())) for each in partitions}
    try:
        await asyncio.wait_for(consumer.commit(offsets), _COMMIT_SECONDS)
    except (KafkaError, TimeoutError) as error:
        raise KafkaFailed(
            f"cannot note in consumer group {group(task)} which letters were redriven: {error!r}"
        ) from error


def forgotten(kept: Ledger, redriven: Iterable[int]) -> int:
    """How many of the redriven offsets a ledger that was kept does not know of."""
    return sum(not kept.finished(offset) for offset in redriven)


def as_kept(ledger: Ledger) -> Ledger:
    """The ledger as it comes back from a commit: cut, where it is too large."""
    return decode(*encode(ledger, Suspects()))[0]


def _ledger(committed: OffsetAndMetadata) -> Ledger:
    return recover(committed.offset, committed.metadata)[0] if committed.offset >= 0 else Ledger()
