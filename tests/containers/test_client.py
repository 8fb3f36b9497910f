"""The client on Apache Kafka, while topics change."""

import asyncio
import json

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic

from carteiro.client import Carteiro
from carteiro.wire.record import last_header
from tests.containers.conftest import ApacheKafka

pytestmark = pytest.mark.containers


async def test_reply_in_a_partition_added_after_the_call_is_received(kafka: ApacheKafka):
    requests, replies = "grown.generate.requests", "grown.generate.replies"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.address)
    await admin.start()
    await admin.create_topics([NewTopic(requests, 1, 1), NewTopic(replies, 1, 1)])
    consumer = AIOKafkaConsumer(requests, bootstrap_servers=kafka.address, auto_offset_reset="earliest")
    await consumer.start()
    producer = AIOKafkaProducer(bootstrap_servers=kafka.address, metadata_max_age_ms=500)
    await producer.start()
    try:
        async with Carteiro(kafka.address, topic_prefix="grown", timeout=30) as carteiro:
            call = asyncio.ensure_future(carteiro.generate("Hi"))
            request = await consumer.getone()
            await admin.create_partitions({replies: NewPartitions(2)})
            async with asyncio.timeout(20):
                while 1 not in await producer.partitions_for(replies):
                    await producer.client.force_metadata_update()
            reply = {
                "status": "ok",
                "task": "generate",
                "request_id": f"{requests}/0/0",
                "result": {"text": "Hello"},
                "model": "m",
                "usage": {},
                "timing": {"queue_ms": 0, "work_ms": 0},
            }
            correlation = [("correlation_id", last_header(request.headers, "correlation_id"))]
            await producer.send_and_wait(replies, json.dumps(reply).encode(), partition=1, headers=correlation)
            assert (await call).result.text == "Hello"
    finally:
        await producer.stop()
        await consumer.stop()
        await admin.close()
