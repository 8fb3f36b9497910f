"""The services on Apache Kafka, and during its restart."""

import asyncio

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from carteiro.client import Carteiro
from tests.broker.conftest import environment
from tests.broker.raw_kafka_client import RawKafkaClient
from tests.broker.worker_process import WorkerProcess
from tests.conftest import eventually, eventually_true
from tests.containers.conftest import ApacheKafka
from tests.provider import Provider

pytestmark = pytest.mark.containers


async def test_requests_are_answered(kafka: ApacheKafka, provider: Provider):
    with WorkerProcess("generate", **environment(kafka, provider), CARTEIRO_TOPIC_PREFIX="apache") as worker:
        await eventually(worker.ready)
        async with Carteiro(kafka.address, topic_prefix="apache", timeout=60) as carteiro:
            replies = await asyncio.gather(*(carteiro.generate(f"Number {i}.") for i in range(100)))
        assert [reply.result.text for reply in replies] == [f"Number {i}." for i in range(100)]
        assert {reply.request_id.split("/")[1] for reply in replies} == {"0", "1", "2"}
        worker.terminate()
        await eventually(worker.has_exited)
        assert worker.process.returncode == 0


async def test_broker_restart_under_load_loses_nothing(kafka: ApacheKafka, provider: Provider):
    with WorkerProcess("generate", **environment(kafka, provider), CARTEIRO_TOPIC_PREFIX="restart") as worker:
        await eventually(worker.ready)
        async with Carteiro(kafka.address, topic_prefix="restart", timeout=120) as carteiro:
            await carteiro.generate("Before.")
            provider.hold()
            calls = [asyncio.create_task(carteiro.generate(f"Number {i}.")) for i in range(20)]
            before = len(provider.requests)
            await eventually(lambda: len(provider.requests) > before - 1)
            container = kafka.get_wrapped_container()
            await asyncio.to_thread(container.restart, timeout=5)
            provider.release()
            await eventually_true(kafka.answers)
            replies = await asyncio.gather(*calls)
        assert [reply.result.text for reply in replies] == [f"Number {i}." for i in range(20)]
        assert not worker.has_exited()


async def test_callers_topic_that_refuses_its_reply_blocks_no_request(kafka: ApacheKafka, provider: Provider):
    """A compacted topic accepts no record without a key, so a request without a key cannot be answered there."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.address)
    await admin.start()
    await admin.create_topics([NewTopic("inbox.compact", 1, 1, topic_configs={"cleanup.policy": "compact"})])
    await admin.close()
    with WorkerProcess("generate", **environment(kafka, provider), CARTEIRO_TOPIC_PREFIX="refused") as worker:
        await eventually(worker.ready)
        async with RawKafkaClient(kafka.address, "refused.generate.replies") as peer:
            to_compact = [("reply_to", b"inbox.compact")]
            reply, _ = await peer.ask("refused.generate.requests", {"prompt": "x"}, to_compact, partition=0)
            assert (reply["error"]["code"], reply["error"]["fields"][0]["field"]) == ("invalid_request", "reply topic")
            assert (await peer.ask("refused.generate.requests", {"prompt": "y"}, partition=0))[0]["status"] == "ok"
