"""Failures of the model: what is one request's alone ends in a dead letter, what is everybody's is waited for."""

import asyncio
import json
import re
import struct

import pytest
from aiohttp import web

from tests.broker.processes import WorkerProcess
from tests.conftest import eventually
from tests.containers.cluster import Cluster
from tests.containers.conftest import ApacheKafka
from tests.provider import FAULTS, ScriptedProvider
from tests.provider.completions import Json, complete

pytestmark = [pytest.mark.containers, pytest.mark.timeout(200)]

TRIES = 5
WINDOW = 16
ORIGIN = {
    "original-topic": bytes.decode,
    "original-partition": lambda value: struct.unpack(">i", value)[0],
    "original-offset": lambda value: struct.unpack(">q", value)[0],
    "original-timestamp": lambda value: struct.unpack(">q", value)[0],
    "original-timestamp-type": bytes.decode,
    "original-consumer-group": bytes.decode,
}
EXCEPTION = ("exception-fqcn", "exception-message")


async def test_poison_is_a_dead_letter_that_has_all_of_its_request(kafka: ApacheKafka, model: ScriptedProvider):
    model.when("poison", "500")
    cluster = Cluster(kafka.address, model, "poison", window=WINDOW)
    async with cluster, cluster.traffic() as traffic:
        worker = await cluster.started("a")
        others = await traffic.send(f"before {number} wait=0.1" for number in range(50))
        raw = [("not-utf8", b"\xff\xfe\x00"), ("twice", b"1"), ("twice", b"2"), ("traceparent", b"nonsense")]
        (poison,) = await traffic.send(["poison"], key="k", headers=raw)
        others += await traffic.send(f"behind {number} wait=0.1" for number in range(200))
        await traffic.answered(traffic.prompts)
        assert traffic.codes(others) == {"ok"}
        assert traffic.codes([poison]) == {"model_unavailable"}
        assert model.calls["poison"] == TRIES
        assert worker.get("/readyz")[0] == 200

        await eventually(lambda: traffic.dead)
        (letter,) = traffic.dead
        assert letter.key == b"k"
        assert letter.value == b'{"prompt": "poison"}'
        headers = [("correlation_id", poison.encode()), *raw]
        assert list(letter.headers[: len(headers)]) == headers
        added = dict(letter.headers[len(headers) :])
        sent = traffic.sent[poison]
        assert {name: read(added[f"kafka_dlt-{name}"]) for name, read in ORIGIN.items()} == {
            "original-topic": sent.topic,
            "original-partition": sent.partition,
            "original-offset": sent.offset,
            "original-timestamp": sent.timestamp,
            "original-timestamp-type": "CreateTime",
            "original-consumer-group": "poison",
        }
        assert all(added[f"kafka_dlt-{name}"].decode() for name in EXCEPTION)
        known = {f"kafka_dlt-{name}" for name in (*ORIGIN, *EXCEPTION)}
        assert all(value.decode() for name, value in added.items() if name not in known)
        assert added["carteiro_tries"] == b"%d" % TRIES
        assert "poison" not in added["kafka_dlt-exception-message"].decode()
        print(*(f"{name}: {value!r}"[:200] for name, value in added.items()), sep="\n")
        await cluster.stop()
        assert not await cluster.lag()


class Storm:
    """Refuses every call with 429 and `Retry-After: 1` for so many seconds from the first on."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: float | None = None
        self.refused = 0

    async def __call__(self, request: web.Request, asked: Json) -> web.StreamResponse:
        now = asyncio.get_running_loop().time()
        self._until = self._until or now + self._seconds
        if now > self._until:
            return web.json_response(complete(asked))
        self.refused += 1
        response = await FAULTS["429"](request, asked)
        response.headers["Retry-After"] = "1"
        return response


@pytest.mark.long
async def test_a_storm_of_refusals_is_waited_out_with_few_calls(kafka: ApacheKafka, model: ScriptedProvider):
    storm = Storm(10)
    model.when("", storm)
    cluster = Cluster(kafka.address, model, "storm", partitions=3, window=64)
    async with cluster, cluster.traffic() as traffic:
        worker = await cluster.started("a")
        await traffic.send(f"asked {number}" for number in range(300))
        await traffic.answered(traffic.prompts)
        print(f"{storm.refused} calls refused in the storm, {cluster.calls(traffic)} in all for 300 requests")
        assert traffic.codes(traffic.prompts) == {"ok"}
        # A worker that only did what Retry-After says would make ten times as many as it has in flight.
        assert storm.refused < 300
        assert not worker.ended()
        await cluster.finish(traffic)


def parked_metric(worker: WorkerProcess) -> list[str]:
    """The metric's values, one for each model."""
    return re.findall(r"^carteiro_parked(?:{.*})? (.*)$", worker.get("/metrics")[1], re.MULTILINE)


def parked(worker: WorkerProcess) -> bool:
    status, body = worker.get("/readyz")
    return status == 503 and "parked: " in json.loads(body)["status"] and parked_metric(worker) == ["1.0"]


async def is_back(worker: WorkerProcess) -> None:
    await eventually(lambda: worker.get("/readyz")[0] == 200)
    assert parked_metric(worker) == ["0.0"]


async def test_a_model_that_is_down_is_waited_for(kafka: ApacheKafka, model: ScriptedProvider):
    cluster = Cluster(kafka.address, model, "down", partitions=2, window=WINDOW)
    async with cluster, cluster.traffic() as traffic:
        worker = await cluster.started("a")
        await traffic.answered(await traffic.send(["before"]))
        model.hold()
        cut = await traffic.send(f"cut off {number}" for number in range(10))
        await eventually(lambda: all(model.calls[traffic.prompts[each]] for each in cut))
        await model.leave()
        await eventually(lambda: parked(worker))
        later = await traffic.send(f"later {number}" for number in range(200))
        assert traffic.count == 1
        model.release()
        await model.come_back()
        await traffic.answered([*cut, *later])
        assert traffic.codes(traffic.prompts) == {"ok"}
        await is_back(worker)
        await cluster.finish(traffic)


@pytest.mark.long
async def test_a_quota_that_is_used_up_is_waited_for(kafka: ApacheKafka, model: ScriptedProvider):
    cluster = Cluster(kafka.address, model, "quota", partitions=2, window=WINDOW)
    async with cluster, cluster.traffic() as traffic:
        worker = await cluster.started("a")
        await traffic.answered(await traffic.send(["before"]))
        model.when("", "quota")
        await traffic.send(f"unpaid {number}" for number in range(200))
        await eventually(lambda: parked(worker))
        assert traffic.count == 1
        # What was in flight when the first refusal came, and no more.
        assert cluster.calls(traffic) <= 1 + 2 * WINDOW
        model.cure("")
        await traffic.answered(traffic.prompts)
        assert traffic.codes(traffic.prompts) == {"ok"}
        await is_back(worker)
        await cluster.finish(traffic)


@pytest.mark.long
async def test_a_call_that_hangs_holds_nobody_up(kafka: ApacheKafka, model: ScriptedProvider):
    model.when("hang", "hang")
    timeout = {"CARTEIRO_MODEL_TIMEOUT_SECONDS": "2"}
    cluster = Cluster(kafka.address, model, "hang", window=4, **timeout)
    async with cluster, cluster.traffic() as traffic:
        worker = await cluster.started("a")
        (hung,) = await traffic.send(["hang"])
        others = await traffic.send(f"behind {number}" for number in range(200))
        await traffic.answered(others)
        assert traffic.unanswered() == [hung]
        await traffic.answered([hung])
        assert traffic.codes(others) == {"ok"}
        assert traffic.codes([hung]) == {"model_unavailable"}
        await eventually(lambda: traffic.dead)
        assert [dict(record.headers)["correlation_id"] for record in traffic.dead] == [hung.encode()]
        assert worker.get("/readyz")[0] == 200
        await cluster.stop()
        assert not await cluster.lag()
