"""What a lane asks its consumer group, beyond what aiokafka's public interface tells.

The only place that touches aiokafka's private names; `tests/unit/worker/test_contract.py` pins them.
"""

from aiokafka import AIOKafkaConsumer, TopicPartition

from carteiro.worker.delivery.ledger import Ledger
from carteiro.worker.delivery.metadata import MetadataUnreadable, decode
from carteiro.worker.delivery.suspects import Suspects


async def committed(consumer: AIOKafkaConsumer, partition: TopicPartition) -> tuple[Ledger, Suspects]:
    """What the group has committed for a partition; an empty ledger where that is nothing.

    `consumer.committed()` gives the offset without its metadata. Metadata that is not ours counts as none.
    """
    offsets = await consumer._coordinator.fetch_committed_offsets([partition])  # noqa: SLF001
    if (found := offsets.get(partition)) is None:
        return Ledger(), Suspects()
    try:
        return decode(found.offset, found.metadata)
    except MetadataUnreadable:
        return Ledger(found.offset), Suspects()


async def is_member(consumer: AIOKafkaConsumer) -> bool:
    """Whether the group still counts the consumer in, by a heartbeat. If it does not, the consumer joins again."""
    return not was_expelled(consumer) and bool(await consumer._coordinator._do_heartbeat())  # noqa: SLF001


def was_expelled(consumer: AIOKafkaConsumer) -> bool:
    """Whether the group has gone on without the consumer, as after a pause longer than the session timeout."""
    return bool(consumer._coordinator.generation < 0)  # noqa: SLF001
