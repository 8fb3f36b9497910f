"""Queries to a consumer group that aiokafka's public interface does not have.

Only this module, `lost_markers`, `topic_state`, `stable_offsets`, `raw_batches`, `bounded_producer`,
`bounded_accumulator`, `producers.stop_producer` and `kafka.caller_topics` use aiokafka's private names.
`tests/unit/worker/test_contract.py` pins the names.
"""

import asyncio
import time

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from carteiro.ledger.crash_tracker import LEAVING_FLAG
from carteiro.ledger.metadata import NO_IDENTITY
from carteiro.worker.delivery.commit_validation import ValidatedCommit, checkpoint_of, owner_of, validate_commit
from carteiro.worker.delivery.stable_offsets import wait_for_stable_offset
from carteiro.worker.delivery.topic_state import fetch_log_bounds, fetch_topic_state, find_duplicate_member

_FENCING_MARGIN_SECONDS = 1.5
_LEAVE_MARGIN_SECONDS = 5.0
_OWNER_POLL_SECONDS = 0.2


async def load_validated_commit(
    consumer: AIOKafkaConsumer, partition: TopicPartition, *, stable: bool
) -> ValidatedCommit:
    """Fetch and validate the group's commit for a partition. Raise `KafkaError`.

    With `stable`, wait until transactions that commit offsets have ended.
    """
    found = await fetch_committed(consumer, partition, stable=stable)
    state = await fetch_topic_state(consumer, partition.topic, partition.partition)
    # The log is fetched last: until then it can only grow, so a valid commit is not beyond its end.
    log = await fetch_log_bounds(consumer, partition, checkpoint_of(found))
    return validate_commit(found, state.identity if state else NO_IDENTITY, log)


async def wait_for_former_owner(
    consumer: AIOKafkaConsumer, partition: TopicPartition, owner_id: int, drain_seconds: float
) -> None:
    """Wait for a former owner with the same instance id to notice that this worker has replaced it.

    Return once it has released the partition, or after a timeout: a crashed owner never releases it. An owner that has
    announced its leave gets `drain_seconds` to finish. Raise `KafkaError`.
    """
    began = time.monotonic()
    patience = seconds_to_notice_fencing(consumer)
    while (waited := time.monotonic() - began) < patience:
        owner = owner_of(await fetch_committed(consumer, partition, stable=False))
        if owner in (0, owner_id):
            return
        if owner & LEAVING_FLAG:
            patience = max(patience, drain_seconds + _LEAVE_MARGIN_SECONDS)
        await asyncio.sleep(min(_OWNER_POLL_SECONDS, patience - waited))


async def fetch_leader_epoch(consumer: AIOKafkaConsumer, partition: TopicPartition) -> int:
    """Return the epoch of the partition's leader; -1 if the broker has none. Raise `KafkaError`."""
    state = await fetch_topic_state(consumer, partition.topic, partition.partition)
    return state.leader_epochs.get(partition.partition, -1) if state else -1


async def fetch_committed(
    consumer: AIOKafkaConsumer, partition: TopicPartition, *, stable: bool
) -> OffsetAndMetadata | None:
    """Return the group's committed offset of a partition with its metadata; None if nothing is committed.

    aiokafka's `consumer.committed()` does not return the metadata. With `stable`, wait until transactions that commit
    offsets have ended. Raise `KafkaError`.
    """
    coordinator = consumer._coordinator  # noqa: SLF001
    if stable:
        return await wait_for_stable_offset(consumer, partition)
    found: dict[TopicPartition, OffsetAndMetadata] = await coordinator.fetch_committed_offsets([partition])
    return found.get(partition)


async def is_member(consumer: AIOKafkaConsumer) -> bool:
    """Return True if the consumer is still a member of its group; ask by a heartbeat. If it is not, it joins again."""
    return not was_expelled(consumer) and bool(await consumer._coordinator._do_heartbeat())  # noqa: SLF001


async def find_duplicate_member_host(consumer: AIOKafkaConsumer, member_id: str) -> str | None:
    """Return the host of another member with the consumer's `group.instance.id`.

    Return None if there is no other member with it, or if the broker cannot tell. `member_id` is the latest id of the
    consumer itself.
    """
    coordinator = consumer._coordinator  # noqa: SLF001
    if (instance := instance_id(consumer)) is None:
        return None
    await coordinator.ensure_coordinator_known()
    return await find_duplicate_member(consumer, coordinator.group_id, instance, member_id)


def instance_id(consumer: AIOKafkaConsumer) -> str | None:
    """Return the consumer's `group.instance.id`; None if it has no instance id."""
    found: str | None = consumer._group_instance_id  # noqa: SLF001
    return found


def seconds_to_notice_fencing(consumer: AIOKafkaConsumer) -> float:
    """Return the seconds within which another member with the consumer's instance id notices that it was replaced.

    It notices by its next heartbeat. Return 0 if the consumer has no instance id.
    """
    if instance_id(consumer) is None:
        return 0.0
    return float(consumer._coordinator._heartbeat_interval_ms) / 1000 + _FENCING_MARGIN_SECONDS  # noqa: SLF001


def member_id(consumer: AIOKafkaConsumer) -> str:
    """Return the id that the group has given the consumer; "" if it has no id."""
    return str(consumer._coordinator.member_id)  # noqa: SLF001


def rejoin_as_new_member(consumer: AIOKafkaConsumer) -> None:
    """Make the consumer join its group as a new member."""
    consumer._coordinator.reset_generation()  # noqa: SLF001


def refresh_metadata(consumer: AIOKafkaConsumer) -> None:
    """Make the consumer refresh the partitions of its topics now, so that the group assigns new partitions."""
    consumer._client.force_metadata_update()  # noqa: SLF001


def was_expelled(consumer: AIOKafkaConsumer) -> bool:
    """Return True if the group has expelled the consumer, for example after a pause longer than the session timeout."""
    return bool(consumer._coordinator.generation < 0)  # noqa: SLF001


def ended_background_task(consumer: AIOKafkaConsumer) -> str | None:
    """Return the name of a background task of the consumer that has ended; None if all of them run.

    None of them ends before the consumer is closed, unless it crashes.
    """
    tasks = {"membership": consumer._coordinator._coordination_task, "reading": consumer._fetcher._fetch_task}  # noqa: SLF001
    return next((name for name, task in tasks.items() if task is not None and task.done()), None)
