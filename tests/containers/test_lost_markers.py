"""A broker that has ended a transaction without its marker: the worker marks its end, and serves the partition."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.client import ConnectionGroup, CoordinationType
from aiokafka.protocol.transaction import TxnOffsetCommitRequest

from carteiro.kafka.producers import transactional_producer
from tests.conftest import eventually_true
from tests.containers.cluster import Cluster
from tests.containers.conftest import ApacheKafka
from tests.provider import ScriptedProvider

pytestmark = [pytest.mark.containers, pytest.mark.timeout(120)]


@asynccontextmanager
async def unverified_transactions(kafka: ApacheKafka) -> AsyncIterator[None]:
    """Have the broker take offsets for a transaction that it does not know to have them."""
    name = "transaction.partition.verification.enable"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.address)
    await admin.start()
    try:
        await admin.alter_configs([ConfigResource(ConfigResourceType.BROKER, "1", configs={name: "false"})])
        yield
        await admin.alter_configs([ConfigResource(ConfigResourceType.BROKER, "1", configs={name: "true"})])
    finally:
        await admin.close()


async def leave_offset_without_marker(producer: AIOKafkaProducer, cluster: Cluster, offset: int) -> None:
    """Have the producer's open transaction commit an offset that its end will not mark."""
    manager, sender = producer._txn_manager, producer._sender
    request = TxnOffsetCommitRequest(
        manager.transactional_id,
        cluster.group,
        manager.producer_id,
        manager.producer_epoch,
        [(cluster.topics[0], [(0, offset, "")])],
    )

    async def is_taken() -> bool:  # A new group has no coordinator at first.
        node = await sender._find_coordinator(CoordinationType.GROUP, cluster.group)
        response = await producer.client.send(node, request, group=ConnectionGroup.COORDINATION)
        return bool(response.errors == [(cluster.topics[0], [(0, 0)])])

    await eventually_true(is_taken)


@pytest.mark.parametrize("end", ["commit", "abort"])
async def test_partition_is_served_after_a_transaction_without_marker(
    kafka: ApacheKafka, model: ScriptedProvider, end: str
) -> None:
    cluster = Cluster(kafka.address, model, f"lost-marker-{end}")
    async with unverified_transactions(kafka), cluster, cluster.traffic() as traffic:
        first, second = await traffic.send(["first", "second"])
        requests = TopicPartition(cluster.topics[0], 0)
        producer = transactional_producer(
            {"bootstrap_servers": [kafka.address]}, f"{cluster.group}-{requests.topic}-{requests.partition}"
        )
        async with producer:
            await producer.begin_transaction()
            await producer.send_and_wait(cluster.topics[2], b"{}", partition=0, headers=[("correlation_id", b"other")])
            await leave_offset_without_marker(producer, cluster, 1)
            await (producer.commit_transaction() if end == "commit" else producer.abort_transaction())
        worker = await cluster.start_and_wait("a")
        await traffic.wait_until_answered([second])
        log_line = worker.find_log_line("the broker had not marked a transaction's end; it is marked now")
        assert log_line is not None
        ended, again = (log_line["end"], traffic.unanswered([first]) == [])
        assert (ended, again) == (("COMMITTED", False) if end == "commit" else ("ABORTED", True))
        await cluster.stop()
        assert not await cluster.lag()
