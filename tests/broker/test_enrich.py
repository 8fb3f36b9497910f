"""The enrich service as an operator starts it: foreign events in, the same events out, enriched."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from carteiro.cli.embedded import EmbeddedBroker
from tests.broker.conftest import environment
from tests.broker.raw_kafka_client import RawKafkaClient
from tests.broker.worker_process import WorkerProcess
from tests.conftest import eventually
from tests.provider import Provider

FILE = """\
from: shop.reviews
to: shop.reviews.enriched
when: "body.text"
steps:
  - {task: generate, request: "{prompt: body.text}", into: ai.echo, take: text}
  - {task: generate, request: "{prompt: ai.echo}", into: ai.again, take: text}
"""
HEADERS = [("source", b"shop"), ("trace", b"\x00\xff")]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def worker(
    broker: EmbeddedBroker, provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[WorkerProcess]:
    path = tmp_path_factory.mktemp("enrich") / "reviews.yaml"
    path.write_text(FILE)
    await create_topics(broker, "shop.reviews", "shop.reviews.enriched", "llm.enrich-reviews.dead")
    with WorkerProcess("enrich", **environment(broker, provider), CARTEIRO_ENRICHMENTS=str(path)) as worker:
        await eventually(worker.ready)
        yield worker


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shop(broker: EmbeddedBroker, worker: WorkerProcess) -> AsyncIterator[RawKafkaClient]:
    async with RawKafkaClient(broker.address, "shop.reviews.enriched") as client:
        yield client


async def create_topics(broker: EmbeddedBroker, *names: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.address)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, 2, 1) for name in names])
    finally:
        await admin.close()


async def enriched(shop: RawKafkaClient, key: bytes, value: bytes | None) -> ConsumerRecord[Any, Any]:
    """Send an event, and return the record that it becomes."""
    await shop.send("shop.reviews", value, HEADERS, key, timestamp_ms=1_700_000_000_000)

    def found() -> list[ConsumerRecord[Any, Any]]:
        return [record for record in shop.records if record.key == key]

    await eventually(found)
    return found()[-1]


async def test_event_comes_out_enriched(shop: RawKafkaClient) -> None:
    record = await enriched(shop, b"one", b'{"id": 1.10, "body": {"text": "hello"}}')
    assert record.value.startswith(b'{"id": 1.10, "body": {"text": "hello"},"ai":')
    ai = json.loads(record.value)["ai"]
    assert "hello" in ai["echo"]
    assert ai["echo"] in ai["again"]
    assert list(record.headers) == HEADERS
    assert record.timestamp == 1_700_000_000_000


@pytest.mark.parametrize("value", [None, b'{"id": 2}'])
async def test_tombstone_and_event_without_text_pass_unchanged(shop: RawKafkaClient, value: bytes | None) -> None:
    record = await enriched(shop, b"pass %d" % (value is None), value)
    assert record.value == value
    assert list(record.headers) == HEADERS


async def test_unreadable_event_goes_on_with_a_header_that_says_so(shop: RawKafkaClient) -> None:
    record = await enriched(shop, b"odd", b"\xff\xfe")
    assert record.value == b"\xff\xfe"
    assert dict(record.headers)["carteiro_enrichment_errors"] == b"event=unreadable"


async def test_event_too_large_to_read_becomes_a_dead_letter_and_no_tombstone(
    shop: RawKafkaClient, broker: EmbeddedBroker
) -> None:
    async with RawKafkaClient(broker.address, "llm.enrich-reviews.dead") as dead:
        await shop.send("shop.reviews", b'{"body": "%s"}' % (b"x" * 1_500_000), key=b"large")
        await eventually(lambda: [record for record in dead.records if record.key == b"large"])
    after = await enriched(shop, b"large", b'{"id": 3}')
    assert [record for record in shop.records if record.key == b"large"] == [after]


async def test_page_counts_events_in_and_out(shop: RawKafkaClient, worker: WorkerProcess) -> None:
    def counts() -> tuple[int, int, int]:
        (task,) = json.loads(worker.get("/state")[1])["tasks"]
        return task["requests"], task["ok"], task["errors"]

    before = await asyncio.to_thread(counts)
    await enriched(shop, b"counted", b'{"body": {"text": "hello"}}')
    await enriched(shop, b"counted odd", b"[1]")
    expected = before[0] + 2, before[1] + 1, before[2] + 1
    await eventually(lambda: counts() == expected)
    assert "Events out" in worker.get("/")[1]


async def test_events_with_one_key_stay_in_order(shop: RawKafkaClient) -> None:
    for number in range(30):
        text = "slow " * (number % 3)
        value = json.dumps({"n": number, "body": {"text": text} if number % 2 else {}}).encode()
        await shop.send("shop.reviews", value, key=b"ordered")
    await eventually(lambda: sum(record.key == b"ordered" for record in shop.records) == 30)
    numbers = [json.loads(record.value)["n"] for record in shop.records if record.key == b"ordered"]
    assert numbers == list(range(30))


async def test_events_that_may_wait_go_through_a_batch(
    broker: EmbeddedBroker, provider: Provider, tmp_path: Path
) -> None:
    (tmp_path / "patient.yaml").write_text(FILE.replace("shop.reviews", "patient") + "wait: 1h\n")
    await create_topics(broker, "patient", "patient.enriched", "llm.enrich-patient.batches")
    settings = environment(broker, provider) | {
        "CARTEIRO_ENRICHMENTS": str(tmp_path / "patient.yaml"),
        "CARTEIRO_MODEL": "openai:gpt-4.1-mini",
        "OPENAI_API_KEY": "sk-secret",
        "OPENAI_BASE_URL": provider.url,
        "CARTEIRO_BATCH_LINGER_SECONDS": "0.5",
        "CARTEIRO_BATCH_POLL_SECONDS": "0.2",
        "CARTEIRO_BATCH_MARGIN_SECONDS": "10",
    }
    with WorkerProcess("enrich", **settings) as worker:
        await eventually(worker.ready)
        async with RawKafkaClient(broker.address, "patient.enriched") as client:
            await client.send("patient", b'{"body": {"text": "Whenever you like, event."}}')
            await eventually(lambda: client.records)
    ai = json.loads(client.records[0].value)["ai"]
    assert ai == {"echo": "Whenever you like, event.", "again": "Whenever you like, event."}
    # Both steps have the same prompt, so one item of a batch answers both.
    assert provider.batches.paid["Whenever you like, event."] == 1
    assert "Whenever you like, event." not in provider.calls


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "CARTEIRO_ENRICHMENTS: name the file"),
        ({"CARTEIRO_ENRICHMENTS": "missing.yaml"}, "CARTEIRO_ENRICHMENTS: .*/missing.yaml: cannot be read"),
        ({"CARTEIRO_ENRICHMENTS": "patient.yaml"}, "patient: wait needs a model with batches"),
        ({"CARTEIRO_ENRICHMENTS": "wrong.yaml"}, "steps.0.task: there is no task 'sing'; there are answer, chat"),
    ],
)
async def test_wrong_setting_ends_the_worker_with_one_line(
    tmp_path: Path, broker: EmbeddedBroker, provider: Provider, settings: dict[str, str], message: str
) -> None:
    (tmp_path / "wrong.yaml").write_text(FILE.replace("task: generate", "task: sing"))
    (tmp_path / "patient.yaml").write_text(FILE + "wait: 1h\n")
    paths = {name: str(tmp_path / value) for name, value in settings.items()}
    with WorkerProcess("enrich", **environment(broker, provider), **paths) as worker:
        await eventually(lambda: worker.process.poll() is not None)
        assert re.search(message, worker.output)
        assert "Traceback" not in worker.output
