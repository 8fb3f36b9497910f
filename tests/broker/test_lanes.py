"""Lanes on a real broker: a stalled lane is noticed, and a repeated request costs one call."""

import asyncio

import pytest

from carteiro.worker.app import worker
from carteiro.worker.composition.partition_handlers import LiveHandler
from carteiro.worker.delivery import lanes
from carteiro.worker.delivery.acknowledged import AcknowledgedDelivery
from services.generate.task import task
from tests.broker.conftest import environment
from tests.broker.raw_kafka_client import RawKafkaClient
from tests.conftest import eventually

REQUESTS = "llm.generate.requests"


@pytest.fixture
async def hanging(broker, provider, monkeypatch):
    """Yield a worker whose deliveries hang as many times as the returned list says."""
    times: list[int] = []
    deliver = AcknowledgedDelivery.deliver

    async def hang(self, outcomes):
        if times[0]:
            times[0] -= 1
            await asyncio.Event().wait()
        await deliver(self, outcomes)

    monkeypatch.setattr(AcknowledgedDelivery, "deliver", hang)
    monkeypatch.setattr(lanes, "STALL_SECONDS", 0.5)
    monkeypatch.setattr(lanes, "_WATCH_INTERVAL_SECONDS", 0.1)
    for name, value in (environment(broker, provider) | {"CARTEIRO_TOPIC_PREFIX": "still"}).items():
        monkeypatch.setenv(name, value)
    app = worker(task)
    await app.start()
    await eventually(lambda: app.health.ready)
    async with RawKafkaClient(broker.address, "still.generate.replies") as peer:
        yield app, peer, times
    await app.stop()


async def test_stalled_lane_is_restarted(hanging, provider):
    app, peer, times = hanging
    before = len(provider.requests)
    times.append(2)
    reply, _ = await peer.ask("still.generate.requests", {"prompt": "x"})
    assert reply["status"] == "ok"
    assert len(provider.requests) == before + 1, "what was finished is not done again"
    await eventually(lambda: not app.health.checks.stalled_partitions())


async def test_lane_that_stays_stalled_is_reported(hanging):
    app, peer, times = hanging
    times.append(10_000)
    asking = asyncio.create_task(peer.ask("still.generate.requests", {"prompt": "x"}))
    await eventually(app.health.checks.stalled_partitions)
    assert app.health.checks.stalled_partitions()[0].startswith("still.generate.requests/")
    times[0] = 0
    assert (await asking)[0]["status"] == "ok"
    await eventually(lambda: not app.health.checks.stalled_partitions())


@pytest.fixture
async def unopened(broker, provider, monkeypatch, request):
    """Yield a worker whose partitions never open, since the function that the parameter names never returns."""
    hung = asyncio.Event()

    async def hang(*_):
        hung.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(*request.param, hang)
    monkeypatch.setattr(lanes, "STALL_SECONDS", 0.3)
    monkeypatch.setattr(lanes, "_WATCH_INTERVAL_SECONDS", 0.1)
    for name, value in (environment(broker, provider) | {"CARTEIRO_TOPIC_PREFIX": "unopened"}).items():
        monkeypatch.setenv(name, value)
    app = worker(task)
    await app.start()
    await hung.wait()
    yield app
    await app.stop()


@pytest.mark.parametrize(
    "unopened", [(LiveHandler, "on_assigned"), (AcknowledgedDelivery, "open")], indirect=True, ids=str
)
async def test_partition_that_never_opens_is_reported(unopened):
    await eventually(unopened.health.checks.stalled_partitions, 30)
    assert unopened.health.checks.stalled_partitions()[0].startswith("unopened.generate.requests/")


async def test_repeated_request_gets_its_first_reply(peer: RawKafkaClient, provider):
    before = len(provider.requests)
    again = [("idempotency_key", b"order 66")]
    first, _ = await peer.ask(REQUESTS, {"prompt": "x"}, again, key=b"k")
    second, record = await peer.ask(REQUESTS, {"prompt": "x"}, again, key=b"k")
    assert len(provider.requests) == before + 1
    assert (second["result"], second["usage"]) == (first["result"], first["usage"])
    assert first["request_id"] != second["request_id"]
    assert ("idempotency_key", b"order 66") in record.headers


async def test_key_with_another_request_is_rejected(peer: RawKafkaClient):
    again = [("idempotency_key", b"order 67")]
    await peer.ask(REQUESTS, {"prompt": "x"}, again, key=b"k")
    reply, _ = await peer.ask(REQUESTS, {"prompt": "y"}, again, key=b"k")
    assert reply["error"]["code"] == "invalid_request"
    assert reply["error"]["fields"][0]["field"] == "header idempotency_key"


async def test_slow_request_blocks_no_other(peer: RawKafkaClient, provider):
    provider.next("hang")
    slow = asyncio.create_task(peer.ask(REQUESTS, {"prompt": "slow"}, partition=0))
    await eventually(lambda: provider.requests[-1].body["messages"][-1]["content"] == "slow")
    reply, _ = await peer.ask(REQUESTS, {"prompt": "quick"}, partition=0)
    assert reply["status"] == "ok"
    assert not slow.done()
    assert (await slow)[0]["status"] == "ok"


async def test_expired_request_costs_no_call(peer: RawKafkaClient, provider):
    before = len(provider.requests)
    reply, _ = await peer.ask(REQUESTS, {"prompt": "x"}, [("deadline", b"2020-01-01T00:00:00Z")])
    assert reply["error"]["code"] == "expired"
    assert len(provider.requests) == before
