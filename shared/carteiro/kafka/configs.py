"""Settings of brokers and topics, as Kafka returns them."""

from collections.abc import Sequence

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType


async def describe_configs(
    admin: AIOKafkaAdminClient, kind: ConfigResourceType, names: Sequence[str]
) -> dict[str, dict[str, str | None]]:
    """Return the settings of brokers or topics by their names. Raise `KafkaError` if Kafka does not answer."""
    answers = await admin.describe_configs([ConfigResource(kind, name) for name in names])
    found: dict[str, dict[str, str | None]] = {}
    for answer in answers:
        for code, _, _, name, entries in answer.resources:
            if not code:
                found[name] = {entry[0]: entry[1] for entry in entries}
    return found
