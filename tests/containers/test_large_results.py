"""A reply topic that takes less than a worker sends, on Apache Kafka: large results go to a bucket."""

import asyncio
import json
import uuid

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.broker.conftest import environment
from tests.broker.raw_kafka_client import RawKafkaClient
from tests.broker.worker_process import WorkerProcess
from tests.conftest import eventually
from tests.containers.conftest import ApacheKafka
from tests.provider import Provider
from tests.s3_server import S3Server

pytestmark = pytest.mark.containers


@pytest.mark.parametrize("mode", ["exactly_once", pytest.param("at_least_once", marks=pytest.mark.long)])
async def test_result_that_its_topic_rejects_is_stored_and_its_neighbours_are_answered(
    kafka: ApacheKafka, provider: Provider, s3: S3Server, mode: str
) -> None:
    prefix = f"large-{mode.replace('_', '-')}"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.address)
    await admin.start()
    small = {"max.message.bytes": "20000"}
    await admin.create_topics(
        [
            NewTopic(f"{prefix}.generate.requests", 1, 1),
            NewTopic(f"{prefix}.generate.replies", 1, 1, topic_configs=small),
            NewTopic(f"{prefix}.generate.dead", 1, 1),
        ]
    )
    await admin.close()
    settings = environment(kafka, provider) | s3.environment  # type: ignore[arg-type]
    settings |= {
        "CARTEIRO_TOPIC_PREFIX": prefix,
        "CARTEIRO_DELIVERY": mode,
        "CARTEIRO_REPLY_BUCKET": f"s3://letters/{prefix}",
    }
    texts = {uuid.uuid4().bytes: "x" * (30_000 if number % 5 == 0 else 10) + str(number) for number in range(20)}
    with WorkerProcess("generate", **settings) as worker:
        await eventually(worker.ready)
        async with RawKafkaClient(kafka.address, f"{prefix}.generate.replies") as raw:
            requests = ((key, json.dumps({"prompt": text}).encode()) for key, text in texts.items())
            await asyncio.gather(*(raw.send(f"{prefix}.generate.requests", value, key=key) for key, value in requests))
            await eventually(lambda: {record.key for record in raw.records} == texts.keys())
    for record in raw.records:
        reply, text = json.loads(record.value), texts[record.key]
        assert reply["status"] == ("stored" if len(text) > 20_000 else "ok")
        result = reply.get("result") or json.loads(s3.get(reply["stored_result"]["uri"]))
        assert result["text"] == text
    assert len(s3.keys(f"{prefix}/")) == 4
