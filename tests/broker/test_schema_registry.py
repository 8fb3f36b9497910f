"""Events and requests in Avro, whose schemas are in a registry: written and read by Confluent's own serializers."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from carteiro.cli.embedded import EmbeddedBroker
from tests.broker.conftest import environment
from tests.broker.raw_kafka_client import RawKafkaClient
from tests.broker.test_enrich import create_topics
from tests.broker.worker_process import WorkerProcess
from tests.conftest import eventually
from tests.provider import Provider
from tests.registry_server import RegistryServer
from tests.unit.registry.confluent import Confluent

FILE = """\
from: avro.reviews
to: avro.reviews.enriched
steps: [{task: generate, request: "{prompt: body.text}", into: ai.echo, take: text}]
"""
REVIEW = json.dumps(
    {
        "type": "record",
        "name": "Review",
        "fields": [
            {"name": "id", "type": "long"},
            {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 30, "scale": 2}},
            {
                "name": "body",
                "type": {"type": "record", "name": "Body", "fields": [{"name": "text", "type": "string"}]},
            },
        ],
    }
)
OPTIONS = {"type": "record", "name": "Options", "fields": [{"name": "stream", "type": "boolean"}]}
REQUEST = json.dumps(
    {
        "type": "record",
        "name": "Ask",
        "fields": [
            {"name": "prompt", "type": "string"},
            {"name": "options", "type": ["null", OPTIONS], "default": None},
        ],
    }
)


@pytest.fixture
async def registry() -> AsyncIterator[RegistryServer]:
    async with RegistryServer() as running:
        yield running


@pytest.fixture
async def confluent(registry: RegistryServer) -> AsyncIterator[Confluent]:
    running = Confluent(registry)
    yield running
    await running.close()


async def test_avro_event_comes_out_as_avro_with_one_more_field(
    broker: EmbeddedBroker, provider: Provider, registry: RegistryServer, confluent: Confluent, tmp_path: Path
) -> None:
    (tmp_path / "avro-reviews.yaml").write_text(FILE)
    await create_topics(broker, "avro.reviews", "avro.reviews.enriched")
    event = {"id": 2**62 + 1, "price": Decimal("12345678901234567890.10"), "body": {"text": "hello"}}
    settings = environment(broker, provider) | {
        "CARTEIRO_ENRICHMENTS": str(tmp_path / "avro-reviews.yaml"),
        "CARTEIRO_SCHEMA_REGISTRY_URL": registry.url,
    }
    with WorkerProcess("enrich", **settings) as worker:
        await eventually(worker.ready)
        async with RawKafkaClient(broker.address, "avro.reviews.enriched") as client:
            first = (await confluent.avro(REVIEW, event)).value
            await registry.stop()
            await client.send("avro.reviews", first)
            await eventually(lambda: worker.find_log_line("an event waits for the schema registry"))
            await registry.start()
            await eventually(lambda: client.records)
            await client.send("avro.reviews", b"\x00\x00\x00\xff\xff12345")
            await eventually(lambda: len(client.records) == 2)
    enriched, unknown = client.records
    found = await confluent.read_avro(enriched.value)
    assert found["ai"].pop("echo") == "hello"
    assert {name: found[name] for name in event} == event
    assert dict(unknown.headers)["carteiro_enrichment_errors"] == b"event=unreadable"


async def test_request_in_avro_gets_its_reply_in_avro(
    broker: EmbeddedBroker, provider: Provider, registry: RegistryServer, confluent: Confluent
) -> None:
    topic = "avro.generate.requests"
    settings = environment(broker, provider) | {
        "CARTEIRO_TOPIC_PREFIX": "avro",
        "CARTEIRO_SCHEMA_REGISTRY_URL": registry.url,
    }
    await create_topics(broker, topic, "avro.generate.replies", "avro.generate.dead")
    with WorkerProcess("generate", **settings) as worker:
        await eventually(worker.ready)
        async with RawKafkaClient(broker.address, "avro.generate.replies") as client:
            value = (await confluent.avro(REQUEST, {"prompt": "from Avro", "options": None})).value
            reply = await client.exchange(topic, value)
            assert dict(reply.headers)["content-type"] == b"application/avro"
            assert (await confluent.read_avro(reply.value))["result"]["text"] == "from Avro"
            value = (await confluent.avro(REQUEST, {"prompt": " ", "options": None})).value
            reply = await client.exchange(topic, value)
            assert (await confluent.read_avro(reply.value))["error"]["code"] == "invalid_request"
            value = (await confluent.avro(REQUEST, {"prompt": "in chunks", "options": {"stream": True}})).value
            reply = await client.exchange(topic, value)
            assert (await confluent.read_avro(reply.value))["status"] == "partial"
            json_reply, _ = await client.ask(topic, b'{"prompt": "from JSON"}')
            assert json_reply["result"]["text"] == "from JSON"
            json_reply, _ = await client.ask(topic, b"\x00\x00\x00\xff\xff12345")
            assert json_reply["error"]["code"] == "unreadable"
        assert "Traceback" not in worker.output
    assert "avro.generate.replies-value" in registry.store.subjects


async def test_replies_are_written_once_the_registry_is_back(
    broker: EmbeddedBroker, provider: Provider, registry: RegistryServer, confluent: Confluent
) -> None:
    topic = "protobuf.generate.requests"
    settings = environment(broker, provider) | {
        "CARTEIRO_TOPIC_PREFIX": "protobuf",
        "CARTEIRO_SCHEMA_REGISTRY_URL": registry.url,
        "CARTEIRO_SCHEMA_REGISTRY_REPLY_FORMAT": "protobuf",
    }
    await create_topics(broker, topic, "protobuf.generate.replies", "protobuf.generate.dead")
    with WorkerProcess("generate", **settings) as worker:
        await eventually(worker.ready)
        await registry.stop()
        async with RawKafkaClient(broker.address, "protobuf.generate.replies") as client:
            for _ in range(2):
                await client.send(topic, b'{"prompt": "hello"}')
            await eventually(lambda: worker.find_log_line("a request waits for the schema registry"))
            await registry.start()
            await eventually(lambda: len(client.records) == 2)
    assert all(b"hello" in record.value and record.value[0] == 0 for record in client.records)
