"""Tokens from an endpoint that a test serves."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiokafka.errors import KafkaConnectionError

from carteiro.kafka.oauth import OAuthTokenProvider
from tests.local_server import LocalServer


class Endpoint(LocalServer):
    """An endpoint that answers with `answer`, and notes the requests."""

    path = "/token"

    def __init__(self) -> None:
        self.status = 200
        self.answer: Any = {"access_token": "first", "expires_in": 100}
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/token", self._handle)]

    async def _handle(self, request: web.Request) -> web.Response:
        self.asked.append((request.headers["Authorization"], dict(await request.post())))
        return web.json_response(self.answer, status=self.status)


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    async with Endpoint() as served:
        yield served


async def test_token_is_fetched_once_by_the_clients_credentials(endpoint: Endpoint) -> None:
    provider = OAuthTokenProvider(endpoint.url, "us", "hunter2", "kafka")
    assert [await provider.token(), await provider.token()] == ["first", "first"]
    ((login, form),) = endpoint.asked
    assert login == aiohttp.encode_basic_auth("us", "hunter2")
    assert form == {"grant_type": "client_credentials", "scope": "kafka"}


async def test_token_is_renewed_before_it_expires(endpoint: Endpoint) -> None:
    provider = OAuthTokenProvider(endpoint.url, "us", "hunter2", None)
    endpoint.answer = {"access_token": "old", "expires_in": 0}
    assert await provider.token() == "old"
    endpoint.answer = {"access_token": "new", "expires_in": 100}
    assert await provider.token() == "new"


@pytest.mark.parametrize(("status", "answer"), [(401, {}), (200, {}), (200, [])])
async def test_answer_without_a_token_is_a_failed_connection(endpoint: Endpoint, status: int, answer: Any) -> None:
    endpoint.status, endpoint.answer = status, answer
    with pytest.raises(KafkaConnectionError, match=f"HTTP status {status}"):
        await OAuthTokenProvider(endpoint.url, "us", "hunter2", None).token()


async def test_silent_endpoint_is_a_failed_connection() -> None:
    with pytest.raises(KafkaConnectionError, match="no token for Kafka from"):
        await OAuthTokenProvider("http://127.0.0.1:9/token", "us", "hunter2", None).token()
