"""Events that their topic never takes, and events that are too large: they stop no partition, and none is lost."""

import json
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.broker.raw_kafka_client import RawKafkaClient
from tests.broker.worker_process import WorkerProcess
from tests.conftest import eventually
from tests.containers.conftest import ApacheKafka
from tests.provider import ScriptedProvider

pytestmark = [pytest.mark.containers, pytest.mark.timeout(280)]

FILE = """\
from: products
to: products.enriched
when: "text"
steps: [{task: generate, request: "{prompt: text}", into: ai.echo, take: text}]
"""
LARGE = b'{"n": %d, "large": "' + b"x" * 1_500_000 + b'"}'


@pytest.mark.parametrize("mode", ["exactly_once", pytest.param("at_least_once", marks=pytest.mark.long)])
async def test_event_that_the_topic_never_takes_becomes_a_dead_letter(
    kafka: ApacheKafka, model: ScriptedProvider, tmp_path: Path, mode: str
) -> None:
    source, target, dead = f"products-{mode}", f"products-{mode}.enriched", f"llm.enrich-{mode.replace('_', '-')}.dead"
    path = tmp_path / f"{mode}.yaml"
    path.write_text(FILE.replace("products", source))
    compacted = {"cleanup.policy": "compact", "max.message.bytes": "4000000"}
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.address)
    await admin.start()
    await admin.create_topics(
        [
            NewTopic(source, 1, 1, topic_configs={"max.message.bytes": "4000000"}),
            NewTopic(target, 1, 1, topic_configs=compacted),
            NewTopic(dead, 1, 1),
        ]
    )
    await admin.close()
    settings = {
        "CARTEIRO_BOOTSTRAP_SERVERS": kafka.address,
        "CARTEIRO_MODEL": f"{model.url}#echo",
        "CARTEIRO_DELIVERY": mode,
        "CARTEIRO_ENRICHMENTS": str(path),
    }
    enriched, letters = (RawKafkaClient(kafka.address, topic, "read_committed") for topic in (target, dead))
    async with enriched, letters:
        with WorkerProcess("enrich", **settings) as worker:
            await eventually(worker.ready)
            for number in range(20):
                text = f"event {number} wait=0.01"
                value = json.dumps({"n": number, "text": text}).encode()
                await enriched.send(source, value, key=None if number % 5 == 3 else b"%d" % number)
            await enriched.send(source, LARGE % 20, key=b"20")
            await enriched.send(source, None, key=b"21")
            await eventually(lambda: len(enriched.records) == 17 and len(letters.records) == 5)
    assert {record.key for record in letters.records} == {None, b"20"}
    assert [record.key for record in enriched.records if record.value is None] == [b"21"]
    assert all(json.loads(record.value)["ai"] for record in enriched.records if record.value)
