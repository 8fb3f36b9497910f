"""Texts of callers and models are in no log line, span, metric or error message, whatever fails."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from tests.broker.conftest import environment
from tests.broker.raw_kafka_client import RawKafkaClient
from tests.broker.worker_process import WorkerProcess
from tests.conftest import eventually
from tests.local_server import LocalServer
from tests.provider import Provider

CANARY = "canary4711"
REQUESTS = "secret.generate.requests"
SCHEMA = {
    "type": "object",
    "properties": {CANARY: {"type": "string", "pattern": f"^{CANARY}$"}},
    "required": [CANARY],
    "additionalProperties": False,
}
ASKED = {"prompt": f"Say {CANARY}.", "system": f"You are {CANARY}.", "stop": [f"stop {CANARY}"]}


class Collector(LocalServer):
    """Server that receives spans by OTLP over HTTP and keeps their bytes, in which text is readable."""

    max_body_bytes = 64 * 2**20

    def __init__(self) -> None:
        self.received = b""

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/v1/traces", self._take)]

    async def _take(self, request: web.Request) -> web.Response:
        self.received += await request.read()
        return web.Response()


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with Collector() as running:
        yield running


def error(status: int, message: str, code: str | None = None) -> tuple[int, Any]:
    return status, {"error": {"message": message, "type": "invalid_request_error", "code": code, "param": None}}


def completion(content: Any, finish_reason: str = "stop") -> tuple[int, Any]:
    return 200, {"choices": [{"message": {"content": content}, "finish_reason": finish_reason}], "usage": {}}


ANSWERS: dict[str, list[tuple[int, Any]]] = {
    "a completion": [completion(f"Here is {CANARY}.")],
    "a refusal that repeats the prompt": [error(400, f"The prompt 'Say {CANARY}.' is not to our liking")],
    "a filter that repeats the prompt": [error(400, f"Filtered: {CANARY}", "content_filter")],
    "a key that is refused": [error(401, f"Incorrect API key provided for {CANARY}")] * 3,
    "a failure that repeats the prompt": [error(500, f"cannot parse {CANARY}")] * 2,
    "a body that is no completion": [(200, {"text": CANARY})] * 2,
    "an unknown end": [completion(CANARY, CANARY)],
}
"""The model's answers to a free text, and then to the requests that repeat it."""
WRONG_JSON = [completion(f"I would say {CANARY}"), completion(json.dumps({CANARY: f"not {CANARY}", "more": CANARY}))]
BAD_REQUESTS = [
    ASKED | {"json_schema": {"type": "object", "properties": {"x": {"type": CANARY}}}},
    ASKED | {"json_schema": {"type": "object", "properties": {"x": {"pattern": f"({CANARY}"}}}},
    ASKED | {"json_schema": {"type": "object", "properties": {"x": {"$ref": f"http://127.0.0.1:9/{CANARY}"}}}},
    ASKED | {"json_schema": {"type": "object", "enum": [CANARY] * 20_000}},
    ASKED | {"stop": [CANARY] * 9},
    {"prompt": {"deep": CANARY}},
    ASKED | {"options": {"model": CANARY}},
]


async def test_canary_is_in_no_output_of_a_worker(broker, provider: Provider, collector: Collector):
    settings = environment(broker, provider) | {
        "CARTEIRO_TOPIC_PREFIX": "secret",
        "CARTEIRO_LOG_LEVEL": "debug",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    with WorkerProcess("generate", **settings) as worker:
        await eventually(worker.ready)
        async with RawKafkaClient(broker.address, "secret.generate.replies") as peer:
            sent = 0
            for name, answers in ANSWERS.items():
                for status, body in answers:
                    provider.answer(body, status)
                await peer.ask(REQUESTS, ASKED)
                provider.forget()
                sent += 1
                assert CANARY not in worker.output, name
            provider.answer(WRONG_JSON[0][1])
            provider.answer(WRONG_JSON[1][1])
            reply, _ = await peer.ask(REQUESTS, ASKED | {"json_schema": SCHEMA})
            assert reply["error"]["code"] == "invalid_output"
            assert CANARY not in json.dumps(reply).replace(f"at {CANARY}", ""), "only the position is named"
            for body in BAD_REQUESTS:
                reply, _ = await peer.ask(REQUESTS, body)
                assert reply["error"]["code"] == "invalid_request"
                assert CANARY not in json.dumps(reply)
            sent += 1 + len(BAD_REQUESTS)
            await eventually(lambda: collector.received.count(f"process {REQUESTS}".encode()) >= sent)
        _, metrics = await asyncio.to_thread(worker.get, "/metrics")
        assert f'carteiro_requests_total{{task="generate"}} {sent}.0' in metrics
        assert CANARY not in metrics
        assert CANARY.encode() not in collector.received
        assert CANARY not in worker.output
