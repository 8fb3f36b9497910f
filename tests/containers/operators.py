"""Changes that operators make to topics and groups, by Kafka's own tools and as other programs do."""

import asyncio

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.structs import OffsetAndMetadata

from tests.containers.conftest import ApacheKafka


async def run_tool(kafka: ApacheKafka, tool: str, *arguments: str) -> str:
    """Run one of Kafka's tools in the broker's container; return its output."""
    command = [f"/opt/kafka/bin/{tool}.sh", "--bootstrap-server", "localhost:9094", *arguments]
    code, output = await asyncio.to_thread(kafka.get_wrapped_container().exec_run, command)
    text: str = output.decode()
    assert code == 0, text
    return text


async def reset_offsets(kafka: ApacheKafka, group: str, topic: str, *to: str) -> None:
    """Reset a group without members, by `kafka-consumer-groups --reset-offsets`."""
    output = await run_tool(
        kafka, "kafka-consumer-groups", "--group", group, "--topic", topic, "--reset-offsets", *to, "--execute"
    )
    assert topic in output, output


async def delete_records(kafka: ApacheKafka, topic: str, before: int) -> None:
    """Delete the records of partition 0 before an offset, as retention does."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.address)
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=before)})
    finally:
        await admin.close()


async def committed_offset(kafka: ApacheKafka, group: str, topic: str) -> OffsetAndMetadata:
    """Return what a group has committed for partition 0."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.address)
    await admin.start()
    try:
        partition = TopicPartition(topic, 0)
        return (await admin.list_consumer_group_offsets(group, partitions=[partition]))[partition]
    finally:
        await admin.close()


async def commit_offset(kafka: ApacheKafka, group: str, topic: str, offset: int, metadata: str) -> None:
    """Commit for partition 0 of a group without members, as MirrorMaker 2 does."""
    partition = TopicPartition(topic, 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.address, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign([partition])
        await consumer.commit({partition: OffsetAndMetadata(offset, metadata)})
    finally:
        await consumer.stop()


async def create_topic(kafka: ApacheKafka, topic: str) -> None:
    """Create a topic with one partition."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.address)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 1, 1)])
    finally:
        await admin.close()
