"""Posts with prepared headers, next to those of the SDK itself."""

from typing import Any

import httpx2
import pytest
from openai import APIConnectionError, APIStatusError, AsyncOpenAI, DefaultAioHttpClient, Omit, Timeout
from pydantic_core import to_json

from carteiro.models.cloud.prepared_post import Headers, PreparedPost
from tests.provider import Provider

BODY = {"model": "echo", "messages": [{"role": "user", "content": "one two three"}]}
HEADERS: Headers = {"Authorization": Omit(), "api-key": "sk-1", "User-Agent": "mine"}
TIMEOUT = Timeout(None, connect=5)
OF_A_RETRY = "x-stainless-retry-count"
"""The SDK's count of its own retries, of which there are none."""


async def sent_by_sdk(provider: Provider, query: dict[str, str]) -> Any:
    options = {"max_retries": 0, "timeout": TIMEOUT, "http_client": DefaultAioHttpClient()}
    async with AsyncOpenAI(base_url=provider.url, api_key="none", **options) as client:
        call: Any = {"headers": HEADERS, "params": query}
        await client.post("/chat/completions", body=BODY, cast_to=httpx2.Response, options=call)
    return provider.requests.pop()


async def post(url: str, content: bytes, query: dict[str, str], headers: Headers = HEADERS) -> httpx2.Response:
    async with DefaultAioHttpClient(timeout=TIMEOUT) as http, AsyncOpenAI(api_key="none", http_client=http) as client:
        prepared = PreparedPost(http, client.default_headers, url, query, headers)
        await prepared.send(content)
        response = await prepared.send(content)
        await response.aread()
        return response


@pytest.mark.parametrize("query", [{}, {"api-version": "v 1"}])
async def test_request_is_the_one_that_the_sdk_sends(query: dict[str, str], provider: Provider) -> None:
    expected = await sent_by_sdk(provider, query)
    await post(f"{provider.url}/chat/completions", to_json(BODY), query)
    for request in provider.requests:
        assert request.body == BODY
        expected_headers = {name: value for name, value in expected.headers.items() if name != OF_A_RETRY}
        assert dict(request.headers) == expected_headers
        assert "authorization" not in expected_headers
        assert request.query == expected.query == query
    assert len(provider.requests) == 2


async def test_refusal_is_an_error_of_the_sdk_with_its_body(provider: Provider) -> None:
    provider.next("400")
    with pytest.raises(APIStatusError) as caught:
        await post(f"{provider.url}/chat/completions", to_json(BODY), {})
    assert caught.value.status_code == 400
    assert caught.value.response.json()["error"]


async def test_broken_connection_is_an_error_of_the_sdk() -> None:
    with pytest.raises(APIConnectionError):
        await post("http://127.0.0.1:9/v1", b"{}", {})


async def test_other_address_or_header_needs_another_post() -> None:
    async with DefaultAioHttpClient() as http:
        prepared = PreparedPost(http, {}, "http://one/v1", {}, HEADERS)
        assert prepared.has("http://one/v1", {**HEADERS})
        assert not prepared.has("http://two/v1", HEADERS)
        assert not prepared.has("http://one/v1", {**HEADERS, "api-key": "sk-2"})
