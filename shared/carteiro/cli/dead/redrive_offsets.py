"""Record of the redriven dead letters: the commits of a consumer group that no consumer joins.

The committed offset of each partition is that of the first dead letter that was not redriven. The commit's metadata
holds the redriven ones after it, as it does for requests. That has limits. A ledger that is too large is cut, and some
brokers keep no metadata (the embedded broker); the commands report both. Kafka also deletes the commits of a group
after `offsets.retention.minutes` without a new commit, by default seven days.
"""

import asyncio
from collections.abc import Iterable, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from carteiro.cli.kafka import KafkaFailed
from carteiro.kafka.committed_offsets import committed_offsets
from carteiro.ledger.crash_tracker import CrashTracker
from carteiro.ledger.ledger import Ledger
from carteiro.ledger.metadata import decode_metadata, decode_or_default, encode_metadata

_MAX_ATTEMPTS = 20
_TRY_AGAIN_SECONDS = 0.5
_COMMIT_SECONDS = 20.0


def group_id(task: str) -> str:
    """Return the name of the consumer group whose commits hold the record."""
    return f"carteiro-dead-{task}"


async def load(admin: AIOKafkaAdminClient, task: str, partitions: list[TopicPartition]) -> dict[int, Ledger]:
    """Return the recorded ledgers by partition, in which redriven dead letters are finished. Raise `KafkaFailed`.

    The consumer's own `committed()` gives the offset without its metadata, so the admin client is used.
    """
    reason = ""
    for _ in range(_MAX_ATTEMPTS):
        try:
            found = await committed_offsets(admin, group_id(task), partitions)
            return {each.partition: _parse_commit(found[each]) for each in partitions}
        except KafkaError as error:
            reason = repr(error)
            if not error.retriable:
                break
        await asyncio.sleep(_TRY_AGAIN_SECONDS)
    raise KafkaFailed(f"cannot read which dead letters were redriven, from consumer group {group_id(task)}: {reason}")


async def commit(
    consumer: AIOKafkaConsumer, admin: AIOKafkaAdminClient, task: str, topic: str, ledgers: Mapping[int, Ledger]
) -> None:
    """Commit the ledgers by partition, merged with other commits since. Raise `KafkaFailed` if that is not possible."""
    partitions = [TopicPartition(topic, each) for each in ledgers]
    for number, theirs in (await load(admin, task, partitions)).items():
        ledgers[number].merge(theirs)
    offsets = {
        each: OffsetAndMetadata(*encode_metadata(ledgers[each.partition], CrashTracker())) for each in partitions
    }
    try:
        await asyncio.wait_for(consumer.commit(offsets), _COMMIT_SECONDS)
    except (KafkaError, TimeoutError) as error:
        raise KafkaFailed(
            f"cannot record in consumer group {group_id(task)} which dead letters were redriven: {error!r}"
        ) from error


def count_unrecorded(ledger: Ledger, offsets: Iterable[int]) -> int:
    """Return the number of redriven offsets that a ledger read back from a commit does not have."""
    return sum(not ledger.is_finished(offset) for offset in offsets)


def roundtrip(ledger: Ledger) -> Ledger:
    """Return the ledger as it is read back from a commit: cut, if it is too large."""
    return decode_metadata(*encode_metadata(ledger, CrashTracker()))[0]


def _parse_commit(committed: OffsetAndMetadata) -> Ledger:
    return decode_or_default(committed.offset, committed.metadata)[0] if committed.offset >= 0 else Ledger()
