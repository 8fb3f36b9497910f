"""Texts and results in a bucket, on a real S3 server: requests, events and replies that are larger than Kafka takes."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from carteiro.cli.embedded import EmbeddedBroker
from carteiro.client import Carteiro, ReplyError
from carteiro.schemas.generate import GenerateRequest
from tests.broker.conftest import environment
from tests.broker.raw_kafka_client import RawKafkaClient
from tests.broker.test_ask import run
from tests.broker.test_enrich import create_topics
from tests.broker.worker_process import WorkerProcess
from tests.conftest import eventually
from tests.provider import Provider
from tests.s3_server import S3Server

PREFIX = "references"
ENRICHMENT = """\
from: letters
to: letters.enriched
steps:
  - {task: generate, request: "{prompt: {uri: address}}", into: ai.echo, take: text}
"""


def settings(broker: EmbeddedBroker, provider: Provider, s3: S3Server) -> dict[str, str]:
    return (
        environment(broker, provider)
        | s3.environment
        | {
            "CARTEIRO_TOPIC_PREFIX": PREFIX,
            "CARTEIRO_REFERENCES": "s3://letters/in, s3://letters/worker/uploads",
            "CARTEIRO_REPLY_BUCKET": "s3://letters/worker/replies",
            "CARTEIRO_MAX_PRODUCE_BYTES": "20000",
        }
    )


@pytest.fixture(scope="module")
def worker(broker: EmbeddedBroker, provider: Provider, s3: S3Server) -> Iterator[WorkerProcess]:
    with WorkerProcess("generate", **settings(broker, provider, s3)) as worker:
        yield worker


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def client(broker: EmbeddedBroker, worker: WorkerProcess, s3: S3Server) -> AsyncIterator[Carteiro]:
    await eventually(worker.ready)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3.environment.items():
            patch.setenv(name, value)
        async with Carteiro(
            broker.address, topic_prefix=PREFIX, timeout=90, bucket="s3://letters/worker/uploads"
        ) as client:
            yield client


async def test_text_by_reference_is_answered_as_if_the_request_had_it(client: Carteiro, s3: S3Server) -> None:
    reply = await client.generate({"uri": s3.put("in/one.txt", "Olá, carteiro.".encode())})
    assert reply.result.text == "Olá, carteiro."


async def test_long_text_is_uploaded_and_a_large_result_read_from_the_bucket(client: Carteiro, s3: S3Server) -> None:
    text = " ".join(["word"] * 300_000)
    reply = await client.generate(text)
    assert reply.status == "ok"
    assert reply.result.text == text
    assert len(s3.keys("worker/uploads/")) == 1
    (key,) = s3.keys(f"worker/replies/{reply.request_id}-")
    assert json.loads(s3.get(f"s3://letters/{key}"))["text"] == text


async def test_command_uploads_a_long_text_and_prints_a_large_result(
    client: Carteiro, broker: EmbeddedBroker, s3: S3Server, tmp_path: Path
) -> None:
    text = " ".join(["line"] * 300_000)
    (tmp_path / "long.txt").write_text(text)
    kafka = {"CARTEIRO_BOOTSTRAP_SERVERS": broker.address, "CARTEIRO_TOPIC_PREFIX": PREFIX} | s3.environment
    arguments = ["ask", "generate", "--file", str(tmp_path / "long.txt")]
    result = await run(*arguments, "--bucket", "s3://letters/worker/uploads/command", **kafka)
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"{text}\n"
    assert len(s3.keys("worker/uploads/command/")) == 1
    for bucket, reason in (("letters", "--bucket: is no bucket"), ("s3://nobody", "does not exist")):
        result = await run(*arguments, "--bucket", bucket, **kafka)
        assert (result.returncode, reason in result.stderr) == (2, True), result.stderr


async def test_request_waits_for_a_store_that_is_away(client: Carteiro, s3: S3Server, worker: WorkerProcess) -> None:
    uri = s3.put("in/late.txt", b"Better late.")
    s3.stop()
    try:
        waiting = asyncio.create_task(client.generate({"uri": uri}))
        await eventually(lambda: worker.find_log_line("a request waits for the store of its text"))
    finally:
        s3.start()
    assert (await waiting).result.text == "Better late."


@pytest.mark.parametrize(
    ("uri", "code", "reason"),
    [
        ("s3://letters/in/missing", "invalid_request", "does not exist"),
        ("s3://letters/private/a.txt", "invalid_request", "is not among the addresses"),
        ("https://169.254.169.254/latest/meta-data/", "invalid_request", "is not among the addresses"),
        ("file:///etc/passwd", "invalid_request", "is not among the addresses"),
    ],
)
async def test_reference_that_cannot_be_read_is_an_error_reply(
    client: Carteiro, uri: str, code: str, reason: str
) -> None:
    with pytest.raises(ReplyError) as caught:
        await client.ask(GenerateRequest.model_validate({"prompt": {"uri": uri}}))
    assert (caught.value.code, caught.value.fields[0].field) == (code, "prompt.uri")
    assert reason in caught.value.fields[0].reason


async def test_other_clients_get_the_address_of_a_large_result(
    client: Carteiro, broker: EmbeddedBroker, s3: S3Server, worker: WorkerProcess
) -> None:
    text = "x" * 30_000
    async with RawKafkaClient(broker.address, f"{PREFIX}.generate.replies") as raw:
        key = uuid.uuid4().bytes
        await raw.send(f"{PREFIX}.generate.requests", json.dumps({"prompt": text}).encode(), key=key)
        await eventually(lambda: [record for record in raw.records if record.key == key])
    (record,) = [record for record in raw.records if record.key == key]
    reply = json.loads(record.value)
    assert reply["status"] == "stored"
    assert reply["usage"]["input_tokens"] > 0
    stored = s3.get(reply["stored_result"]["uri"])
    assert (json.loads(stored)["text"], len(stored)) == (text, reply["stored_result"]["size_bytes"])
    assert "s3-secret" not in worker.output


async def test_event_names_its_text_by_reference(
    broker: EmbeddedBroker, provider: Provider, s3: S3Server, tmp_path: Path
) -> None:
    (tmp_path / "letters.yaml").write_text(ENRICHMENT)
    await create_topics(broker, "letters", "letters.enriched")
    enrichment = settings(broker, provider, s3) | {"CARTEIRO_ENRICHMENTS": str(tmp_path / "letters.yaml")}
    with WorkerProcess("enrich", **enrichment) as worker:
        await eventually(worker.ready)
        async with RawKafkaClient(broker.address, "letters.enriched") as raw:
            for uri in (s3.put("in/event.txt", b"An event."), "s3://letters/in/missing"):
                await raw.send("letters", json.dumps({"address": uri}).encode(), key=b"k")
            await eventually(lambda: len(raw.records) == 2)
    first, second = (json.loads(record.value) for record in raw.records)
    assert first["ai"]["echo"] == "An event."
    assert second["ai"]["errors"][0]["message"] == "prompt.uri: does not exist"
