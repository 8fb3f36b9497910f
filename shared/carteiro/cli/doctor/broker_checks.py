"""Checks of the brokers' and topics' settings that delivery depends on."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from aiokafka import codec
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResourceType
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from carteiro.cli.doctor.finding import Finding
from carteiro.cli.plural import pluralise
from carteiro.kafka.broker_limits import TRANSACTION_SECONDS
from carteiro.kafka.configs import describe_configs
from carteiro.kafka.connection import ADVERTISED_ADVICE, find_unreachable_brokers
from carteiro.ledger.metadata import MAX_METADATA_BYTES

_CODECS = {"snappy": codec.has_snappy, "lz4": codec.has_lz4, "zstd": codec.has_zstd}
_MIN_SETTINGS = {
    "offset.metadata.max.bytes": MAX_METADATA_BYTES,
    "transaction.max.timeout.ms": int(TRANSACTION_SECONDS * 1000),
}
_EFFECTS = {
    "offset.metadata.max.bytes": "fewer finished requests are known after a crash, and fewer may be in flight",
    "transaction.max.timeout.ms": "transactions hold fewer replies",
}


async def check_brokers(admin: AIOKafkaAdminClient, options: dict[str, Any]) -> AsyncIterator[Finding]:
    """Check the addresses and the settings of the brokers. Raise `KafkaError` if Kafka does not answer."""
    client = AIOKafkaClient(**options)
    try:
        await client.bootstrap()
        for reason in await find_unreachable_brokers(client):
            yield Finding("brokers", "fault", reason, ADVERTISED_ADVICE)
        nodes = [broker.nodeId for broker in client.cluster.brokers()]
    finally:
        await client.close()
    if missing := [name for name, there in _CODECS.items() if not there()]:
        message = f"records compressed with {', '.join(missing)} can't be read"
        yield Finding("compression", "fault", message, "install the package cramjam")
    try:
        found = await describe_configs(admin, ConfigResourceType.BROKER, [str(node) for node in nodes])
    except KafkaError as error:
        advice = "allow this user DescribeConfigs on the cluster to have them checked"
        yield Finding("broker settings", "warning", f"Kafka does not return them: {type(error).__name__}", advice)
        return
    for name, least in _MIN_SETTINGS.items():
        texts = [configs.get(name) or "" for configs in found.values()]
        values = [int(value) for value in texts if value.isdigit()]
        if values and min(values) < least:
            message = f"{name} is {min(values)}: {_EFFECTS[name]}"
            yield Finding("broker settings", "warning", message, f"set it to {least} or more on all brokers")


async def check_topics(admin: AIOKafkaAdminClient, topics: Sequence[str], max_produce_bytes: int) -> list[Finding]:
    """Check the settings of existing topics. Raise `KafkaError` if Kafka does not answer."""
    described = {each["topic"]: each["partitions"] for each in await admin.describe_topics(list(topics))}
    try:
        found = await describe_configs(admin, ConfigResourceType.TOPIC, topics)
    except KafkaError:
        return []
    findings: list[Finding] = []
    for topic, configs in found.items():
        findings += _check_replicas(topic, described[topic], configs) + _check_topic_settings(
            topic, configs, max_produce_bytes
        )
    return findings


def _check_replicas(topic: str, partitions: list[dict[str, Any]], configs: dict[str, str | None]) -> list[Finding]:
    least = int(configs.get("min.insync.replicas") or 1)
    what = f"topic {topic}"
    for each in partitions:
        replicas, in_sync = len(each["replicas"]), len(each["isr"])
        if replicas < least:
            message = (
                f"min.insync.replicas is {least}, and the topic has {pluralise(replicas, 'replica')}: "
                "older brokers then take nothing"
            )
            return [Finding(what, "warning", message, "lower min.insync.replicas, or add replicas")]
        if in_sync < least:
            message = f"{in_sync} of {replicas} replicas are in sync, and min.insync.replicas is {least}: writing waits"
            return [Finding(what, "warning", message, "start the brokers that are down; workers go on by themselves")]
    return []


def _check_topic_settings(topic: str, configs: dict[str, str | None], max_produce_bytes: int) -> list[Finding]:
    what, findings = f"topic {topic}", []
    largest = int(configs.get("max.message.bytes") or max_produce_bytes)
    if largest < max_produce_bytes and not topic.endswith(".requests"):
        advice = f"set it to {max_produce_bytes} or more, or CARTEIRO_MAX_PRODUCE_BYTES to it"
        findings.append(Finding(what, "warning", f"max.message.bytes is {largest}: larger records are refused", advice))
    if "compact" in (configs.get("cleanup.policy") or ""):
        advice = "set cleanup.policy to delete"
        findings.append(Finding(what, "warning", "it is compacted: it takes no record without a key", advice))
    if (compression := configs.get("compression.type")) in _CODECS and not _CODECS[compression]():
        message = f"its records are compressed with {compression}, which can't be read"
        findings.append(Finding(what, "fault", message, "install the package cramjam"))
    return findings
