"""Lanes on a real broker: what stands still is noticed, and requests that come twice cost one call."""

import asyncio

import pytest

from carteiro.worker.app import worker
from carteiro.worker.delivery import lanes
from carteiro.worker.delivery.at_least_once import AtLeastOnce
from services.generate.task import task
from tests.broker.conftest import environment
from tests.broker.peer import Peer
from tests.conftest import eventually

REQUESTS = "llm.generate.requests"


@pytest.fixture
async def hanging(broker, provider, monkeypatch):
    """A worker whose couriers hang as often as the returned list says."""
    times: list[int] = []
    deliver = AtLeastOnce.deliver

    async def hang(self, outcomes):
        if times[0]:
            times[0] -= 1
            await asyncio.Event().wait()
        await deliver(self, outcomes)

    monkeypatch.setattr(AtLeastOnce, "deliver", hang)
    monkeypatch.setattr(lanes, "STALL_SECONDS", 0.5)
    monkeypatch.setattr(lanes, "_LOOK_SECONDS", 0.1)
    for name, value in (environment(broker, provider) | {"CARTEIRO_TOPIC_PREFIX": "still"}).items():
        monkeypatch.setenv(name, value)
    app = worker(task)
    await app.start()
    await eventually(lambda: app.health.ready)
    async with Peer(broker.address, "still.generate.replies") as peer:
        yield app, peer, times
    await app.stop()


async def test_a_lane_that_stands_still_is_built_anew(hanging, provider):
    app, peer, times = hanging
    before = len(provider.requests)
    times.append(2)
    reply, _ = await peer.ask("still.generate.requests", {"prompt": "x"})
    assert reply["status"] == "ok"
    assert len(provider.requests) == before + 1, "what was finished is not done again"
    await eventually(lambda: not app._stalled())


async def test_a_lane_that_nothing_helps_is_told_of(hanging):
    app, peer, times = hanging
    times.append(10_000)
    asking = asyncio.create_task(peer.ask("still.generate.requests", {"prompt": "x"}))
    await eventually(app._stalled)
    assert app._stalled()[0].startswith("still.generate.requests/")
    times[0] = 0
    assert (await asking)[0]["status"] == "ok"
    await eventually(lambda: not app._stalled())


async def test_a_request_that_comes_again_gets_its_first_reply(peer: Peer, provider):
    before = len(provider.requests)
    again = [("idempotency_key", b"order 66")]
    first, _ = await peer.ask(REQUESTS, {"prompt": "x"}, again, key=b"k")
    second, record = await peer.ask(REQUESTS, {"prompt": "x"}, again, key=b"k")
    assert len(provider.requests) == before + 1
    assert (second["result"], second["usage"]) == (first["result"], first["usage"])
    assert first["request_id"] != second["request_id"]
    assert ("idempotency_key", b"order 66") in record.headers


async def test_a_key_that_comes_with_another_request_is_turned_down(peer: Peer):
    again = [("idempotency_key", b"order 67")]
    await peer.ask(REQUESTS, {"prompt": "x"}, again, key=b"k")
    reply, _ = await peer.ask(REQUESTS, {"prompt": "y"}, again, key=b"k")
    assert reply["error"]["code"] == "invalid_request"
    assert reply["error"]["fields"][0]["field"] == "header idempotency_key"


async def test_a_slow_request_holds_up_no_other(peer: Peer, provider):
    provider.next("hang")
    slow = asyncio.create_task(peer.ask(REQUESTS, {"prompt": "slow"}, partition=0))
    await eventually(lambda: provider.requests[-1].body["messages"][-1]["content"] == "slow")
    reply, _ = await peer.ask(REQUESTS, {"prompt": "quick"}, partition=0)
    assert reply["status"] == "ok"
    assert not slow.done()
    assert (await slow)[0]["status"] == "ok"


async def test_an_expired_request_costs_no_call(peer: Peer, provider):
    before = len(provider.requests)
    reply, _ = await peer.ask(REQUESTS, {"prompt": "x"}, [("deadline", b"2020-01-01T00:00:00Z")])
    assert reply["error"]["code"] == "expired"
    assert len(provider.requests) == before
