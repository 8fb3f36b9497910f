"""What a lane asks its consumer group, beyond what aiokafka's public interface tells.

This, `stable_offsets` and `producers.stop_producer` are all that touches aiokafka's private names;
`tests/unit/worker/test_contract.py` pins them.
"""

import asyncio

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import for_code
from aiokafka.structs import OffsetAndMetadata

from carteiro.worker.delivery.ledger import Ledger
from carteiro.worker.delivery.metadata import recover
from carteiro.worker.delivery.stable_offsets import (
    COORDINATOR_LOADING,
    COORDINATOR_UNAVAILABLE,
    NONE,
    NOT_COORDINATOR,
    UNSTABLE,
    fetch_stable,
)
from carteiro.worker.delivery.suspects import Suspects

_SETTLE_SECONDS = 0.02


async def committed(consumer: AIOKafkaConsumer, partition: TopicPartition, *, stable: bool) -> tuple[Ledger, Suspects]:
    """What the group has committed for a partition; an empty ledger where that is nothing. Where `stable`, it waits
    for transactions that commit to end.

    `consumer.committed()` gives the offset without its metadata. Metadata that is not ours counts as none.
    """
    coordinator = consumer._coordinator  # noqa: SLF001
    if stable:
        found = await _stable(consumer, partition)
    else:
        found = (await coordinator.fetch_committed_offsets([partition])).get(partition)
    return recover(found.offset, found.metadata) if found is not None else (Ledger(), Suspects())


async def _stable(consumer: AIOKafkaConsumer, partition: TopicPartition) -> OffsetAndMetadata | None:
    while True:
        await consumer._coordinator.ensure_coordinator_known()  # noqa: SLF001
        code, found = await fetch_stable(consumer, partition)
        if code == NONE:
            return found
        if code in (NOT_COORDINATOR, COORDINATOR_UNAVAILABLE):
            consumer._coordinator.coordinator_dead()  # noqa: SLF001
        elif code not in (UNSTABLE, COORDINATOR_LOADING):
            raise for_code(code)
        await asyncio.sleep(_SETTLE_SECONDS)


async def is_member(consumer: AIOKafkaConsumer) -> bool:
    """Whether the group still counts the consumer in, by a heartbeat. If it does not, the consumer joins again."""
    return not was_expelled(consumer) and bool(await consumer._coordinator._do_heartbeat())  # noqa: SLF001


def was_expelled(consumer: AIOKafkaConsumer) -> bool:
    """Whether the group has gone on without the consumer, as after a pause longer than the session timeout."""
    return bool(consumer._coordinator.generation < 0)  # noqa: SLF001


def died(consumer: AIOKafkaConsumer) -> str | None:
    """The name of a background task of the consumer that has ended, as none does before the consumer is closed."""
    tasks = {"membership": consumer._coordinator._coordination_task, "reading": consumer._fetcher._fetch_task}  # noqa: SLF001
    return next((name for name, task in tasks.items() if task is not None and task.done()), None)
