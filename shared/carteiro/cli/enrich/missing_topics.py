"""The topics that an enrichment writes to, created as its events need them."""

from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResourceType
from aiokafka.errors import KafkaError

from carteiro.cli.kafka import KafkaSession
from carteiro.enrichment.enrichment_file import EnrichmentFile
from carteiro.kafka.configs import describe_configs
from carteiro.tasks.topic_specs import JOURNAL_CONFIG

_COMPACT = {"cleanup.policy": "compact"}
_DEFAULT_MAX_BYTES = 1_048_588


async def missing_topics(kafka: KafkaSession, file: EnrichmentFile) -> list[NewTopic]:
    """Return the topics to create. The topic of the enriched events is like that of the events, which exists."""
    (source,) = await kafka.admin.describe_topics([file.source])
    partitions, replicas = len(source["partitions"]), len(source["partitions"][0]["replicas"])
    names = kafka.topics
    wanted = {
        file.target: NewTopic(file.target, partitions, replicas, topic_configs=await _copied_configs(kafka, file)),
        names.dead(file.served_name): NewTopic(names.dead(file.served_name), 1, replicas),
    }
    state, config = (
        (names.batches(file.served_name), _COMPACT) if file.wait else (names.journal(file.served_name), JOURNAL_CONFIG)
    )
    wanted[state] = NewTopic(state, partitions, replicas, topic_configs=config)
    return [topic for name, topic in wanted.items() if name not in kafka.existing]


async def _copied_configs(kafka: KafkaSession, file: EnrichmentFile) -> dict[str, str]:
    """Return the settings that the enriched events need too: a tombstone deletes nothing in a topic that is not
    compacted, and a large event does not fit the default limit.
    """
    try:
        found = await describe_configs(kafka.admin, ConfigResourceType.TOPIC, [file.source])
    except KafkaError:
        return {}  # This user may not read the settings.
    configs, copied = found.get(file.source, {}), dict[str, str]()
    if "compact" in (policy := configs.get("cleanup.policy") or ""):
        copied["cleanup.policy"] = policy
    if int(size := configs.get("max.message.bytes") or "0") > _DEFAULT_MAX_BYTES:
        copied["max.message.bytes"] = size
    return copied
