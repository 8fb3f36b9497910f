"""No request is lost: a record is acknowledged after its reply is confirmed, in every failure of the worker."""

import json

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError

from carteiro.cli.embedded import EmbeddedBroker
from carteiro.worker.app import worker
from services.chat.task import task
from tests.broker.conftest import environment
from tests.broker.raw_kafka_client import RawKafkaClient
from tests.broker.worker_process import WorkerProcess
from tests.conftest import eventually

BODY = {"messages": [{"role": "user", "content": "Keep me."}]}


async def test_request_older_than_the_first_worker_is_answered(broker, provider):
    settings = environment(broker, provider) | {"CARTEIRO_TOPIC_PREFIX": "early"}
    async with RawKafkaClient(broker.address, "early.chat.replies") as peer:
        await peer.send("early.chat.requests", json.dumps(BODY).encode(), [("correlation_id", b"early")])
        with WorkerProcess("chat", **settings):
            reply = await peer.reply("correlation_id", b"early", 120)
    assert json.loads(reply.value)["status"] == "ok"


async def test_worker_killed_during_calls_loses_nothing(broker, provider):
    settings = environment(broker, provider) | {
        "CARTEIRO_TOPIC_PREFIX": "killed",
        "CARTEIRO_MODEL_TIMEOUT_SECONDS": "60",
    }
    async with RawKafkaClient(broker.address, "killed.chat.replies") as peer:
        with WorkerProcess("chat", **settings) as worker:
            await eventually(worker.ready)
            provider.hold()
            before = len(provider.requests)
            for number in range(5):
                await peer.send("killed.chat.requests", json.dumps(BODY).encode(), [("correlation_id", b"%d" % number)])
            await eventually(lambda: len(provider.requests) > before)
        provider.release()
        assert peer.records == []
        with WorkerProcess("chat", **settings):
            for number in range(5):
                reply = await peer.reply("correlation_id", b"%d" % number, 120)
                assert json.loads(reply.value)["status"] == "ok"


async def test_stop_finishes_running_requests_and_leaves_the_rest(broker, provider):
    settings = environment(broker, provider) | {
        "CARTEIRO_TOPIC_PREFIX": "drain",
        "CARTEIRO_MODEL_TIMEOUT_SECONDS": "60",
        "CARTEIRO_MAX_IN_FLIGHT": "1",
    }
    async with RawKafkaClient(broker.address, "drain.chat.replies") as peer:
        with WorkerProcess("chat", **settings) as worker:
            await eventually(worker.ready)
            provider.hold()
            before = len(provider.requests)
            for number in range(3):
                headers = [("correlation_id", b"%d" % number)]
                await peer.send("drain.chat.requests", json.dumps(BODY).encode(), headers, partition=0)
            await eventually(lambda: len(provider.requests) > before)
            worker.terminate()
            await eventually(lambda: any(line["event"].startswith("stopping") for line in worker.log))
            provider.release()
            await eventually(worker.has_exited)
            assert worker.process.returncode == 0
        await peer.reply("correlation_id", b"0")
        assert len(provider.requests) == before + 1
        with WorkerProcess("chat", **settings):
            for number in (b"1", b"2"):
                await peer.reply("correlation_id", number, 120)
        # A reply without a key may be on any partition, so the order of the replies says nothing.
        assert sorted(dict(record.headers)["correlation_id"] for record in peer.records) == [b"0", b"1", b"2"]


async def test_stop_that_exceeds_its_grace_period_leaves_the_request_for_the_next_worker(broker, provider):
    settings = environment(broker, provider) | {
        "CARTEIRO_TOPIC_PREFIX": "grace",
        "CARTEIRO_MODEL_TIMEOUT_SECONDS": "60",
    }
    async with RawKafkaClient(broker.address, "grace.chat.replies") as peer:
        with WorkerProcess("chat", **settings, CARTEIRO_GRACE_SECONDS="0.5") as worker:
            await eventually(worker.ready)
            provider.hold()
            before = len(provider.requests)
            await peer.send("grace.chat.requests", json.dumps(BODY).encode(), [("correlation_id", b"late")])
            await eventually(lambda: len(provider.requests) > before)
            worker.terminate()
            await eventually(worker.has_exited)
            provider.release()
        assert peer.records == []
        with WorkerProcess("chat", **settings):
            assert json.loads((await peer.reply("correlation_id", b"late", 120)).value)["status"] == "ok"


async def test_broker_that_starts_later_is_waited_for(provider):
    probe = EmbeddedBroker()
    probe.start()
    port = int(probe.address.rpartition(":")[2])
    probe.stop()
    late = EmbeddedBroker(port)
    settings = environment(late, provider)
    with WorkerProcess("chat", **settings) as worker:
        await eventually(lambda: worker.find_log_line("waiting for Kafka"))
        with late:
            await eventually(worker.ready, 120)
            async with RawKafkaClient(late.address, "llm.chat.replies") as peer:
                reply, _ = await peer.ask("llm.chat.requests", BODY)
            assert reply["status"] == "ok"


async def test_other_server_at_the_address_is_reported(provider):
    """An HTTP server, for example, accepts connections and does not speak Kafka."""
    settings = {"CARTEIRO_BOOTSTRAP_SERVERS": provider.url.removeprefix("http://").removesuffix("/v1")}
    with WorkerProcess("chat", **settings, CARTEIRO_MODEL=f"{provider.url}#echo") as worker:
        await eventually(lambda: worker.find_log_line("waiting for Kafka"), 120)
        assert "does not answer as a Kafka broker" in worker.find_log_line("waiting for Kafka")["reason"]


@pytest.mark.parametrize("client", [AIOKafkaProducer, AIOKafkaConsumer])
async def test_kafka_that_goes_away_during_the_start_is_waited_for(broker, provider, monkeypatch, client):
    for name, value in (environment(broker, provider) | {"CARTEIRO_TOPIC_PREFIX": "shaky"}).items():
        monkeypatch.setenv(name, value)
    start, calls = client.start, []

    async def shaky(self):
        calls.append(self)
        if len(calls) == 1:
            raise KafkaConnectionError("gone again")
        await start(self)

    monkeypatch.setattr(client, "start", shaky)
    app = worker(task)
    await app.start()
    await eventually(lambda: app.health.ready)
    monkeypatch.undo()
    async with RawKafkaClient(broker.address, "shaky.chat.replies") as peer:
        assert (await peer.ask("shaky.chat.requests", BODY))[0]["status"] == "ok"
    await app.stop()
    assert len(calls) > 1
