"""Batches that are meant to stop a worker, on Apache Kafka. Each costs at most an error of its own sender."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer

from tests.broker.conftest import environment
from tests.broker.raw_kafka_client import RawKafkaClient
from tests.broker.worker_process import ROOT, WorkerProcess
from tests.conftest import eventually, eventually_true
from tests.containers.cluster import Cluster
from tests.containers.conftest import ApacheKafka
from tests.containers.test_poison_request import supervised
from tests.provider import Provider, ScriptedProvider
from tests.unit.wire.record_batches.batch_builder import (
    GZIP,
    LZ4,
    SNAPPY,
    ZSTD,
    compression_bomb,
    encode_batch,
    with_checksum,
)

pytestmark = [pytest.mark.containers, pytest.mark.timeout(240)]

REQUESTS, REPLIES = "hostile.generate.requests", "hostile.generate.replies"
PARTITIONS = range(3)
MAX_MEMORY_KIB = 400 * 1024


class WorkerUnderTest:
    """A worker with three partitions, and a client that sends to it."""

    def __init__(self, process: WorkerProcess, peer: RawKafkaClient, address: str, requests: str = REQUESTS) -> None:
        self.process, self.peer, self.address, self.requests = process, peer, address, requests

    async def answers_all_partitions(self) -> None:
        for partition in PARTITIONS:
            reply, _ = await self.peer.ask(self.requests, {"prompt": "well behaved"}, partition=partition)
            assert reply["status"] == "ok"

    def metric(self, name: str) -> float:
        lines = self.process.get("/metrics")[1].splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    @property
    def peak_memory_kib(self) -> int:
        status = Path(f"/proc/{self.process.process.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def worker(kafka_container: ApacheKafka, provider: Provider) -> AsyncIterator[WorkerUnderTest]:
    """Start one worker for all tests: a test's records must not harm the next test."""
    await eventually_true(kafka_container.answers)
    address, settings = kafka_container.address, environment(kafka_container, provider)
    with WorkerProcess("generate", **settings, CARTEIRO_TOPIC_PREFIX="hostile") as process:
        await eventually(process.ready)
        async with RawKafkaClient(address, REPLIES) as peer:
            yield WorkerUnderTest(process, peer, address)


def request(correlation_id: bytes, value: bytes = b'{"prompt": "x"}'):
    return (b"k", value, [("correlation_id", correlation_id)])


@pytest.mark.parametrize("codec", [GZIP, LZ4])
async def test_bytes_after_a_compressed_stream_stop_no_request(worker: WorkerUnderTest, codec: int):
    ids = [b"trailing-%d-%d" % (codec, partition) for partition in PARTITIONS]
    for partition, correlation_id in enumerate(ids):
        raw = encode_batch([request(correlation_id)], codec)
        await worker.peer.send_batch(REQUESTS, partition, with_checksum(raw + b"junk"))
    await worker.answers_all_partitions()
    for correlation_id in ids:
        reply = await worker.peer.reply("correlation_id", correlation_id)
        assert json.loads(reply.value)["status"] == "ok"


async def test_header_names_that_are_not_utf_8_are_answered_while_every_partition_has_traffic(worker: WorkerUnderTest):
    for round_ in range(5):
        for partition in PARTITIONS:
            correlation_id = b"strange-%d-%d" % (round_, partition)
            await worker.peer.send_with_bad_header_name(REQUESTS, partition, correlation_id)
        await worker.answers_all_partitions()
        for partition in PARTITIONS:
            reply = await worker.peer.reply("correlation_id", b"strange-%d-%d" % (round_, partition))
            assert json.loads(reply.value)["status"] == "ok"


@pytest.mark.parametrize(("codec", "megabytes"), [(ZSTD, 1300), (GZIP, 300), (LZ4, 200), (SNAPPY, 15)])
async def test_compression_bomb_is_too_large_and_takes_little_memory(
    worker: WorkerUnderTest, codec: int, megabytes: int
):
    correlation_id = b"bomb-%d" % codec
    sent = await worker.peer.send_batch(REQUESTS, 0, compression_bomb(codec, megabytes, correlation_id))
    await worker.answers_all_partitions()

    def error():
        # If the machine is busy, unpacking is cut short, and only the offset of the request is known.
        replies = (json.loads(each.value) for each in worker.peer.records)
        return next((each["error"] for each in replies if each["request_id"] == f"{REQUESTS}/0/{sent.offset}"), None)

    await eventually(error)
    assert error()["code"] == "too_large"
    assert worker.peak_memory_kib < MAX_MEMORY_KIB


async def test_missing_codec_costs_only_its_batch(kafka: ApacheKafka, provider: Provider, tmp_path: Path):
    patch = "from carteiro.wire.record_batches import decompression\ndecompression.cramjam = None\n"
    (tmp_path / "sitecustomize.py").write_text(patch)
    settings = environment(kafka, provider) | {"CARTEIRO_TOPIC_PREFIX": "missing"} | python_path(tmp_path)
    requests = "missing.generate.requests"
    with WorkerProcess("generate", **settings) as process:
        await eventually(process.ready)
        async with RawKafkaClient(kafka.address, "missing.generate.replies") as peer:
            worker = WorkerUnderTest(process, peer, kafka.address, requests)
            sent = await peer.send_batch(requests, 1, encode_batch([request(b"a"), request(b"b")], ZSTD))
            await worker.answers_all_partitions()
            line = process.find_log_line("passing over records that cannot be read")
            assert line is not None
            assert (line["partition"], line["offsets"]) == (1, f"{sent.offset}-{sent.offset + 1}")
            assert "zstd" in line["reason"]
            assert worker.metric("carteiro_unreadable_batches_total") == 1


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_compressed_request_topic_is_read(worker: WorkerUnderTest, codec: str):
    producer = AIOKafkaProducer(bootstrap_servers=worker.address, compression_type=codec)
    await producer.start()
    try:
        for number in range(30):
            headers = [("correlation_id", b"%s-%d" % (codec.encode(), number))]
            await producer.send(REQUESTS, json.dumps({"prompt": "x" * 1000}).encode(), headers=headers)
        await producer.flush()
    finally:
        await producer.stop()
    for number in range(30):
        reply = await worker.peer.reply("correlation_id", b"%s-%d" % (codec.encode(), number))
        assert json.loads(reply.value)["status"] == "ok"


async def test_open_transaction_is_shown_by_its_hidden_records(kafka: ApacheKafka, worker: WorkerUnderTest):
    producer = AIOKafkaProducer(bootstrap_servers=kafka.address, transactional_id="never ends")
    await producer.start()
    try:
        await producer.begin_transaction()
        await producer.send_and_wait(REQUESTS, b'{"prompt": "in a transaction"}', partition=2)
        await worker.peer.send(REQUESTS, b'{"prompt": "x"}', [("correlation_id", b"behind")], partition=2)
        await eventually(lambda: worker.metric("carteiro_hidden_records") == 2)
        await producer.abort_transaction()
        assert json.loads((await worker.peer.reply("correlation_id", b"behind")).value)["status"] == "ok"
        await eventually(lambda: worker.metric("carteiro_hidden_records") == 0)
    finally:
        await producer.stop()


DEADLY = """
import os
from carteiro.worker.delivery import record_unpacker
from carteiro.wire.record_batches.record_parser import parse_records

def deadly(batch, *args):
    if b"deadly batch" in bytes(batch.data):
        os.kill(os.getpid(), 9)
    return parse_records(batch, *args)

record_unpacker.parse_records = deadly
"""


@pytest.mark.long
@pytest.mark.parametrize("mode", ["exactly_once", "at_least_once"])
async def test_batch_that_kills_its_worker_during_unpacking_is_skipped_after_four_crashes(
    kafka: ApacheKafka, model: ScriptedProvider, tmp_path: Path, mode: str
):
    (tmp_path / "sitecustomize.py").write_text(DEADLY)
    cluster = Cluster(kafka.address, model, f"unpack-{mode}", mode=mode, static=True, **python_path(tmp_path))
    async with cluster, cluster.traffic() as traffic:
        await cluster.start_and_wait("a")
        async with supervised(cluster) as deaths:
            others = await traffic.send(f"before {number}" for number in range(10))
            await traffic.send(["deadly batch"])
            others += await traffic.send(f"behind {number}" for number in range(10))
            await traffic.wait_until_answered(others, 180)
        assert all(map(traffic.is_ok, others))
        assert mode == "at_least_once" or not traffic.duplicates
        assert len(deaths) == 4
        line = cluster.workers["a"].find_log_line("passing over records that cannot be read")
        assert line is not None
        assert "while it unpacked" in line["reason"]
        await cluster.stop()
        assert not await cluster.lag()


def python_path(folder: Path) -> dict[str, str]:
    return {"PYTHONPATH": f"{folder}:{ROOT / 'shared'}:{ROOT}"}
