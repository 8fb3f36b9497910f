"""Model failures: a failure of one request ends in a dead letter, an outage is waited out."""

import asyncio
import json
import re
import struct

import pytest
from aiohttp import web

from tests.broker.worker_process import WorkerProcess
from tests.conftest import eventually
from tests.containers.cluster import Cluster
from tests.containers.conftest import ApacheKafka
from tests.provider import FAULTS, ScriptedProvider
from tests.provider.completions import Json, complete

pytestmark = [pytest.mark.containers, pytest.mark.timeout(200)]

TRIES = 5
MAX_IN_FLIGHT = 16
ORIGIN = {
    "original-topic": bytes.decode,
    "original-partition": lambda value: struct.unpack(">i", value)[0],
    "original-offset": lambda value: struct.unpack(">q", value)[0],
    "original-timestamp": lambda value: struct.unpack(">q", value)[0],
    "original-timestamp-type": bytes.decode,
    "original-consumer-group": bytes.decode,
}
EXCEPTION = ("exception-fqcn", "exception-message")


async def test_poison_request_is_a_dead_letter_with_the_whole_request(kafka: ApacheKafka, model: ScriptedProvider):
    model.when("poison", "500")
    cluster = Cluster(kafka.address, model, "poison", max_in_flight=MAX_IN_FLIGHT)
    async with cluster, cluster.traffic() as traffic:
        worker = await cluster.start_and_wait("a")
        others = await traffic.send(f"before {number} wait=0.1" for number in range(50))
        raw = [("not-utf8", b"\xff\xfe\x00"), ("twice", b"1"), ("twice", b"2"), ("traceparent", b"nonsense")]
        (poison,) = await traffic.send(["poison"], key="k", headers=raw)
        others += await traffic.send(f"behind {number} wait=0.1" for number in range(200))
        await traffic.wait_until_answered(traffic.prompts)
        assert traffic.codes(others) == {"ok"}
        assert traffic.codes([poison]) == {"model_unavailable"}
        assert model.calls["poison"] == TRIES
        assert worker.get("/readyz")[0] == 200

        await eventually(lambda: traffic.dead_letters)
        (letter,) = traffic.dead_letters
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


class RateLimitedModel:
    """Model that refuses every call with 429 and `Retry-After: 1`, for a number of seconds from the first call on."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: float | None = None
        self.refused = 0

    async def __call__(self, request: web.Request, body: Json) -> web.StreamResponse:
        now = asyncio.get_running_loop().time()
        self._until = self._until or now + self._seconds
        if now > self._until:
            return web.json_response(complete(body))
        self.refused += 1
        response = await FAULTS["429"](request, body)
        response.headers["Retry-After"] = "1"
        return response


@pytest.mark.long
async def test_storm_of_rate_limits_is_waited_out_with_few_calls(kafka: ApacheKafka, model: ScriptedProvider):
    storm = RateLimitedModel(10)
    model.when("", storm)
    cluster = Cluster(kafka.address, model, "storm", partitions=3, max_in_flight=64)
    async with cluster, cluster.traffic() as traffic:
        worker = await cluster.start_and_wait("a")
        await traffic.send(f"asked {number}" for number in range(300))
        await traffic.wait_until_answered(traffic.prompts)
        print(f"{storm.refused} calls refused in the storm, {cluster.calls(traffic)} in all for 300 requests")
        assert traffic.codes(traffic.prompts) == {"ok"}
        # A worker that only follows Retry-After would make ten times as many calls as it has requests in flight.
        assert storm.refused < 300
        assert not worker.has_exited()
        await cluster.stop_and_check(traffic)


def circuit_metric(worker: WorkerProcess) -> list[str]:
    """Return the values of the metric, one for each model."""
    return re.findall(r"^carteiro_model_circuit_open(?:{.*})? (.*)$", worker.get("/metrics")[1], re.MULTILINE)


def is_paused(worker: WorkerProcess) -> bool:
    status, body = worker.get("/readyz")
    return status == 503 and "paused: " in json.loads(body)["status"] and circuit_metric(worker) == ["1.0"]


async def is_back(worker: WorkerProcess) -> None:
    await eventually(lambda: worker.get("/readyz")[0] == 200)
    assert circuit_metric(worker) == ["0.0"]


async def test_model_that_is_down_is_waited_for(kafka: ApacheKafka, model: ScriptedProvider):
    cluster = Cluster(kafka.address, model, "down", partitions=2, max_in_flight=MAX_IN_FLIGHT)
    async with cluster, cluster.traffic() as traffic:
        worker = await cluster.start_and_wait("a")
        await traffic.wait_until_answered(await traffic.send(["before"]))
        model.hold()
        cut = await traffic.send(f"cut off {number}" for number in range(10))
        await eventually(lambda: all(model.calls[traffic.prompts[each]] for each in cut))
        await model.go_offline()
        await eventually(lambda: is_paused(worker))
        later = await traffic.send(f"later {number}" for number in range(200))
        assert traffic.reply_count == 1
        model.release()
        await model.go_online()
        await traffic.wait_until_answered([*cut, *later])
        assert traffic.codes(traffic.prompts) == {"ok"}
        await is_back(worker)
        await cluster.stop_and_check(traffic)


@pytest.mark.long
async def test_exhausted_quota_is_waited_for(kafka: ApacheKafka, model: ScriptedProvider):
    cluster = Cluster(kafka.address, model, "quota", partitions=2, max_in_flight=MAX_IN_FLIGHT)
    async with cluster, cluster.traffic() as traffic:
        worker = await cluster.start_and_wait("a")
        await traffic.wait_until_answered(await traffic.send(["before"]))
        model.when("", "quota")
        await traffic.send(f"unpaid {number}" for number in range(200))
        await eventually(lambda: is_paused(worker))
        assert traffic.reply_count == 1
        # Only the requests in flight at the first refusal.
        assert cluster.calls(traffic) <= 1 + 2 * MAX_IN_FLIGHT
        model.clear("")
        await traffic.wait_until_answered(traffic.prompts)
        assert traffic.codes(traffic.prompts) == {"ok"}
        await is_back(worker)
        await cluster.stop_and_check(traffic)


@pytest.mark.long
async def test_hung_call_blocks_no_other_request(kafka: ApacheKafka, model: ScriptedProvider):
    model.when("hang", "hang")
    timeout = {"CARTEIRO_MODEL_TIMEOUT_SECONDS": "2"}
    cluster = Cluster(kafka.address, model, "hang", max_in_flight=4, **timeout)
    async with cluster, cluster.traffic() as traffic:
        worker = await cluster.start_and_wait("a")
        (hung,) = await traffic.send(["hang"])
        others = await traffic.send(f"behind {number}" for number in range(200))
        await traffic.wait_until_answered(others)
        assert traffic.unanswered() == [hung]
        await traffic.wait_until_answered([hung])
        assert traffic.codes(others) == {"ok"}
        assert traffic.codes([hung]) == {"model_unavailable"}
        await eventually(lambda: traffic.dead_letters)
        assert [dict(record.headers)["correlation_id"] for record in traffic.dead_letters] == [hung.encode()]
        assert worker.get("/readyz")[0] == 200
        await cluster.stop()
        assert not await cluster.lag()
