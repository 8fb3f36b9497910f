"""Brokers with tighter limits than their defaults."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

from carteiro.client import Carteiro
from carteiro.kafka.connection import probe_connection
from tests.broker.conftest import environment
from tests.broker.worker_process import WorkerProcess
from tests.conftest import eventually, eventually_true
from tests.containers.cluster import Cluster
from tests.containers.conftest import ApacheKafka
from tests.containers.framed_proxy import FramedProxy
from tests.containers.test_refusals import configure
from tests.provider import ScriptedProvider

# Limits that change with neither the lanes nor the tasks. The fake cluster of the unit tests has most of their effects.
pytestmark = [pytest.mark.containers, pytest.mark.long]
LONG = pytest.mark.long
MODES = pytest.mark.parametrize("mode", ["exactly_once", pytest.param("at_least_once", marks=LONG)])
FAILED = "a partition's delivery failed; restarting it"


@pytest.fixture(scope="module")
def narrow_container(docker) -> Iterator[ApacheKafka]:
    """Start a broker with little room in commits, short transactions, and transactional ids that expire at once."""
    kafka = ApacheKafka()
    for name, value in {
        "OFFSET_METADATA_MAX_BYTES": "20",
        "TRANSACTION_MAX_TIMEOUT_MS": "3000",
        "TRANSACTIONAL_ID_EXPIRATION_MS": "2000",
        "TRANSACTION_REMOVE_EXPIRED_TRANSACTION_CLEANUP_INTERVAL_MS": "500",
        "PRODUCER_ID_EXPIRATION_MS": "1000",
        "PRODUCER_ID_EXPIRATION_CHECK_INTERVAL_MS": "500",
    }.items():
        kafka.with_env(f"KAFKA_{name}", value)
    with kafka:
        yield kafka


@pytest.fixture
async def narrow(narrow_container: ApacheKafka) -> ApacheKafka:
    await eventually_true(narrow_container.answers)
    return narrow_container


@MODES
async def test_small_commits_and_short_transactions_lose_nothing(
    narrow: ApacheKafka, model: ScriptedProvider, mode: str
):
    name = f"narrow-{mode.replace('_', '-')}"
    async with Cluster(narrow.address, model, name, mode=mode) as cluster, cluster.traffic() as traffic:
        worker = await cluster.start_and_wait("a")
        # One request hangs, so that there is metadata in all commits.
        (slow,) = await traffic.send(["Slow. wait=6"])
        ids = await traffic.send([f"Number {number}. wait=0.{number % 3}" for number in range(200)])
        await traffic.wait_until_answered([slow, *ids], 30)
        assert not traffic.duplicates
        findings = [line["event"] for line in worker.warning_lines]
        assert sum("less metadata" in event for event in findings) <= 5
        assert any("less metadata" in event for event in findings)
        if mode == "exactly_once":
            assert any("shorter transactions" in event for event in findings)
        assert all(count == 1 for prompt, count in model.calls.items() if prompt in traffic.prompts.values())
        await cluster.stop_and_check(traffic)


async def test_expired_transactional_ids_lose_nothing(narrow: ApacheKafka, model: ScriptedProvider):
    async with Cluster(narrow.address, model, "expiring") as cluster, cluster.traffic() as traffic:
        await cluster.start_and_wait("a")
        for number in range(3):
            ids = await traffic.send([f"Number {number}."])
            await traffic.wait_until_answered(ids, 10)
            await asyncio.sleep(3.5)  # The time in which the broker forgets the producer.
        await cluster.stop_and_check(traffic)
        assert cluster.calls(traffic) == 3


@LONG
@MODES
async def test_produce_quota_slows_replies_and_fails_none(kafka: ApacheKafka, model: ScriptedProvider, mode: str):
    name = f"quota-{mode.replace('_', '-')}"
    async with Cluster(kafka.address, model, name, mode=mode) as cluster, cluster.traffic() as traffic:
        worker = await cluster.start_and_wait("a")
        await quota(kafka, "--add-config", "producer_byte_rate=60000")
        try:
            ids = await traffic.send([f"{number} " + "x" * 2_000 for number in range(60)])
            await traffic.wait_until_answered(ids, 60)
        finally:
            await quota(kafka, "--delete-config", "producer_byte_rate")
        assert traffic.codes(ids) == {"ok"}
        assert not worker.find_log_line(FAILED)
        await cluster.stop_and_check(traffic)


async def quota(kafka: ApacheKafka, *change: str) -> None:
    command = ["/opt/kafka/bin/kafka-configs.sh", "--bootstrap-server", "localhost:9094", "--alter", *change]
    command += ["--entity-type", "clients", "--entity-default"]
    code, output = await asyncio.to_thread(kafka.get_wrapped_container().exec_run, command)
    assert code == 0, output


async def doctor(address: str, **settings: str) -> list[dict[str, str]]:
    """Return the findings of `carteiro doctor`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CARTEIRO_")}
    environment |= {"CARTEIRO_BOOTSTRAP_SERVERS": address} | settings
    command = [str(Path(sys.executable).with_name("carteiro")), "doctor", "--no-ask", "--json"]
    done = await asyncio.to_thread(subprocess.run, command, env=environment, capture_output=True, text=True)
    assert "Traceback" not in done.stderr, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


async def test_doctor_names_the_limits_of_brokers_and_topics(narrow: ApacheKafka):
    replies = {"max.message.bytes": "20000", "min.insync.replicas": "2", "cleanup.policy": "compact"}
    admin = AIOKafkaAdminClient(bootstrap_servers=narrow.address)
    await admin.start()
    await admin.create_topics(
        [
            NewTopic("doctor.chat.requests", 1, 1),
            NewTopic("doctor.chat.replies", 1, 1, topic_configs=replies),
            NewTopic("doctor.chat.dead", 1, 1),
        ]
    )
    await admin.close()
    found = await doctor(narrow.address, CARTEIRO_TOPIC_PREFIX="doctor")
    findings = "\n".join(f"{each['what']}: {each['message']}" for each in found if each["verdict"] != "ok")
    for piece in (
        "offset.metadata.max.bytes is 20",
        "transaction.max.timeout.ms is 3000",
        "topic doctor.chat.replies: max.message.bytes is 20000",
        "min.insync.replicas is 2, and there are 1 replicas",
        "it is compacted",
    ):
        assert piece in findings, findings


async def test_unknown_advertised_name_is_reported_in_one_line(kafka: ApacheKafka, model: ScriptedProvider):
    async with FramedProxy(kafka.address, 2**30, advertised=b"x.invalid") as proxy:
        (found, *_) = await doctor(proxy.address)
        assert (found["what"], found["verdict"]) == ("broker", "fault")
        assert "advertises x.invalid:" in found["message"]
        assert "advertised.listeners" in found["message"]
        async with Cluster(kafka.address, model, "advertised") as cluster:
            cluster.start("a", CARTEIRO_BOOTSTRAP_SERVERS=proxy.address)
            worker = cluster.workers["a"]
            await eventually(lambda: worker.find_log_line("waiting for Kafka"), 30)
            line = worker.find_log_line("waiting for Kafka")
            assert line is not None
            assert "advertises x.invalid:" in line["reason"]


@pytest.fixture(scope="module")
def expiring_container(docker) -> Iterator[ApacheKafka]:
    """Start a broker whose SASL sessions end after seconds (KIP-368), and that closes connections which go on."""
    kafka = ApacheKafka()
    plain = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    for name, value in {
        "LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:SASL_PLAINTEXT,INTERNAL:PLAINTEXT",
        "SASL_ENABLED_MECHANISMS": "PLAIN",
        "LISTENER_NAME_PLAINTEXT_PLAIN_SASL_JAAS_CONFIG": f'{plain} username="u" password="p" user_u="p";',
        "CONNECTIONS_MAX_REAUTH_MS": "3000",
    }.items():
        kafka.with_env(f"KAFKA_{name}", value)
    with kafka:
        yield kafka


@MODES
async def test_expired_sasl_sessions_lose_nothing(expiring_container, model: ScriptedProvider, mode: str):
    kafka, sasl = expiring_container, {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN"}
    sasl |= {"sasl_plain_username": "u", "sasl_plain_password": "p"}
    await eventually_true(lambda: reached(kafka.address, sasl))
    requests, replies = f"sasl-{mode}.generate.requests", f"sasl-{mode}.generate.replies"
    settings = environment(kafka, model) | {
        "CARTEIRO_TOPIC_PREFIX": f"sasl-{mode}",
        "CARTEIRO_DELIVERY": mode,
        "CARTEIRO_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "CARTEIRO_SASL_USERNAME": "u",
        "CARTEIRO_SASL_PASSWORD": "p",
    }
    with WorkerProcess("generate", **settings) as worker:
        await eventually(worker.ready)
        producer = AIOKafkaProducer(bootstrap_servers=kafka.address, enable_idempotence=True, **sasl)
        consumer = AIOKafkaConsumer(
            replies,
            bootstrap_servers=kafka.address,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            **sasl,
        )
        await producer.start()
        await consumer.start()
        sent = []
        for number in range(24):
            sent.append(f"Number {number}.")
            await producer.send_and_wait(requests, json.dumps({"prompt": sent[-1]}).encode())
            await asyncio.sleep(0.4)  # Several sessions.
        got: list[str] = []
        async with asyncio.timeout(20):
            while len(got) < len(sent):
                got.append(json.loads((await consumer.getone()).value)["result"]["text"])
        await producer.stop()
        await consumer.stop()
        assert sorted(got) == sorted(sent)
        assert not worker.find_log_line(FAILED), worker.warning_lines
        assert len(model.requests) == len(sent)


async def reached(address: str, sasl: dict[str, str]) -> bool:
    options = {"bootstrap_servers": [address], **sasl}
    return await probe_connection(options) is None


async def test_foreign_group_member_is_reported_in_one_line(kafka: ApacheKafka, model: ScriptedProvider):
    async with Cluster(kafka.address, model, "stranger") as cluster:

        class Other(RoundRobinPartitionAssignor):
            name = "other"

        stranger = AIOKafkaConsumer(
            cluster.topics[0],
            bootstrap_servers=kafka.address,
            group_id="stranger",
            partition_assignment_strategy=[Other],
        )
        await stranger.start()
        cluster.start("a")
        worker = cluster.workers["a"]
        await eventually(lambda: any("another protocol" in str(line) for line in worker.warning_lines), 30)
        await stranger.stop()
        await eventually(worker.ready, 30)


@pytest.mark.parametrize("codec", [*(pytest.param(each, marks=LONG) for each in ("gzip", "snappy", "lz4")), "zstd"])
async def test_compressed_topics_are_read_by_worker_and_client(kafka: ApacheKafka, model: ScriptedProvider, codec: str):
    async with Cluster(kafka.address, model, f"codec-{codec}", partitions=1) as cluster:
        for topic in cluster.topics[:2]:
            await configure(kafka, topic, **{"compression.type": codec})
        await cluster.start_and_wait("a")
        async with Carteiro(kafka.address, topic_prefix=f"codec-{codec}", timeout=30) as carteiro:
            reply = await carteiro.generate("Hello. " * 200)
        assert reply.result.text == "Hello. " * 200


async def test_transactions_shrink_until_a_slow_broker_accepts_them(narrow: ApacheKafka, model: ScriptedProvider):
    """64 replies of 10,000 bytes take 3.2 s on a link of 200 kB/s, and a transaction may last 2.5 s."""
    async with (
        FramedProxy(narrow.address, 2**30, produce_rate=200_000) as proxy,
        Cluster(narrow.address, model, "slow") as cluster,
        cluster.traffic() as traffic,
    ):
        await cluster.start_and_wait("a", CARTEIRO_BOOTSTRAP_SERVERS=proxy.address)
        model.hold()
        ids = await traffic.send([f"{number} " + "x" * 10_000 for number in range(64)])
        await eventually(lambda: len(model.requests) >= 64, 30)
        model.release()
        await traffic.wait_until_answered(ids, 25)
        await cluster.stop_and_check(traffic)
        assert cluster.calls(traffic) == 64
