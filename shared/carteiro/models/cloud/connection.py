"""HTTP client of one model: its connections, its credential, and the translation of its errors."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

import httpx2
from openai import (
    APIConnectionError,
    APIError,
    APIStatusError,
    AsyncOpenAI,
    DefaultAioHttpClient,
    InternalServerError,
    Omit,
    Timeout,
)
from pydantic import ValidationError
from pydantic_core import to_json

from carteiro.models.cloud.endpoint import Endpoint
from carteiro.models.cloud.errors import failure_of, is_credential_rejected
from carteiro.models.cloud.prepared_post import Headers, PreparedPost
from carteiro.models.cloud.response_body import BodyTooLarge, IncompleteBody
from carteiro.models.errors import ModelError, Unavailable

if TYPE_CHECKING:
    from carteiro.models.cloud.anthropic_sdk import AnthropicClient

_CONNECT_SECONDS = 5.0
_MAX_CONNECTIONS = 10_000
"""More connections than a worker has calls in flight. With the SDK's default of 1,000, further calls would wait for a
connection within their own timeout."""

WITHOUT_CREDENTIAL: Headers = {"Authorization": Omit()}
"""Headers without a credential. The SDK would add one by default."""

T = TypeVar("T")


class ProviderConnection:
    """HTTP connections to one endpoint. `name` is the callee's name in failures. `client` makes the calls, with the
    headers of `send_authorized`. `timeout` is in seconds.

    Connections stay open between calls; `close` closes them.
    """

    def __init__(self, name: str, endpoint: Endpoint, timeout: float) -> None:
        self.name = name
        self.endpoint = endpoint
        self.timeout = timeout
        self.client, self._http = _open_client(endpoint, Timeout(None, connect=min(timeout, _CONNECT_SECONDS)))
        # An address without a path has no slash at its end.
        self._base_url = f"{str(self.client.base_url).rstrip('/')}/"
        self._prepared: PreparedPost | None = None
        """The latest post. Nearly all have the same address and headers."""

    async def close(self) -> None:
        """Close the connections. Calls in flight fail."""
        await self.client.close()
        await self.endpoint.credential.close()

    async def send_authorized(
        self,
        send: Callable[[Headers], Awaitable[T]],
        header: str | None = None,
        sign: Callable[[str], Mapping[str, str]] | None = None,
    ) -> T:
        """Return the result of `send`, which is called with the headers that carry the credential: in the endpoint's
        own header, in `header`, or in those that `sign` returns for it. Retry once with a new credential if the
        provider rejects the first one and the credential has changed.
        """
        secret = await self.endpoint.credential.get_value()
        try:
            return await send(self._headers(secret, header, sign))
        except APIStatusError as error:
            if not is_credential_rejected(error):
                raise
            renewed = await self.endpoint.credential.get_value(rejected=secret)
            if renewed == secret:
                raise
        return await send(self._headers(renewed, header, sign))

    async def post(self, path: str, body: dict[str, Any] | None) -> httpx2.Response:
        """Post a request to the endpoint. Return the response with an unread body: the caller bounds the bytes that are
        read. Call it within `translate_errors`: it raises the SDK's errors.
        """
        url, content = self._url(path), b"" if body is None else to_json(body)

        async def send(headers: Headers) -> httpx2.Response:
            if self._prepared is None or not self._prepared.has(url, headers):
                defaults = self.client.default_headers
                self._prepared = PreparedPost(self._http, defaults, url, self.endpoint.query, headers)
            return await self._prepared.send(content)

        # A signature is one of the bytes that are sent.
        sign = partial(self.endpoint.sign, url=url, content=content) if self.endpoint.sign is not None else None
        return await self.send_authorized(send, sign=sign)

    async def get(self, path: str) -> httpx2.Response:
        """Read a path of the endpoint. Return the response as `post` does."""
        client: Any = self.client

        async def send(headers: Headers) -> httpx2.Response:
            options: Any = {"headers": headers, "params": self.endpoint.query}
            response: httpx2.Response = await client.get(
                self._url(path), cast_to=httpx2.Response, options=options, stream=True
            )
            return response

        return await self.send_authorized(send)

    def _url(self, path: str) -> str:
        return self._base_url + path.lstrip("/")

    def _headers(self, secret: str, header: str | None, sign: Callable[[str], Mapping[str, str]] | None) -> Headers:
        header = header or self.endpoint.header
        headers: Headers = {**WITHOUT_CREDENTIAL, **self.endpoint.headers}
        if sign:
            headers.update(sign(secret))
        elif secret:
            headers[header] = f"Bearer {secret}" if header == "Authorization" else secret
        return headers

    @asynccontextmanager
    async def translate_errors(
        self, timeout: float | None = None, name: str | None = None, request_body: Any = None
    ) -> AsyncIterator[None]:
        """Bound the time of the calls in the block. Raise the errors of `carteiro.models.errors` for exceptions in it.

        `timeout` is in seconds; the default is the connection's. `name` is the callee's name in the failure.
        `request_body` is the body of the request: text from it that a refusal repeats does not count as the provider's
        own words.
        """
        timeout, name = timeout or self.timeout, name or self.name
        try:
            async with asyncio.timeout(timeout):
                yield
        except TimeoutError as error:
            raise Unavailable(f"{name} gave no complete answer within {timeout:g} s") from error
        except ModelError:
            raise
        except ValidationError as error:
            raise self.not_a_completion_error() from error
        except BodyTooLarge as error:
            raise Unavailable(f"{name} gave an answer that {error}") from error
        except IncompleteBody as error:
            raise Unavailable(f"{name} dropped the connection before its answer was whole") from error
        except Exception as error:  # noqa: BLE001 - the SDK's transport lets errors of aiohttp and others through
            raise failure_of(error, name, self.endpoint, request_body) from _safe_cause(error)

    def not_a_completion_error(self, *, is_json: bool = True) -> Unavailable:
        """Return the failure for an answer that is not a completion.

        JSON of an unknown shape is an answer of the model. A page of a proxy is not.
        """
        failure = Unavailable(f"{self.name} answered with something that is not a completion")
        failure.has_answered = is_json
        return failure


def _open_client(endpoint: Endpoint, timeout: Timeout) -> "tuple[AsyncOpenAI | AnthropicClient, httpx2.AsyncClient]":
    """Return the SDK's client, and the HTTP client through which it makes its calls."""
    limits = httpx2.Limits(max_connections=_MAX_CONNECTIONS)
    if endpoint.api == "messages":
        # The module needs an extra.
        from carteiro.models.cloud.anthropic_sdk import AnthropicClient

        anthropic = AnthropicClient(endpoint.url, timeout, _tls_context(), limits)
        return anthropic, anthropic.http
    # A redirect would take `api-key` along to another host, or turn the call into a GET.
    http = DefaultAioHttpClient(follow_redirects=False, timeout=timeout, verify=_tls_context(), limits=limits)
    client = AsyncOpenAI(
        # Both are always given: the SDK would otherwise look in the environment, and send OpenAI's key to any server.
        base_url=endpoint.url,
        api_key="none",
        max_retries=0,
        timeout=timeout,
        http_client=http,
    )
    if not endpoint.openai:
        client.organization = client.project = None
    return client, http


@cache
def _tls_context() -> ssl.SSLContext:
    """Return the process's TLS context: each would read and keep all certificates that the system trusts."""
    return httpx2.create_ssl_context()


def _safe_cause(error: Exception) -> Exception | None:
    """Return the cause that a traceback may show. Bodies of refusals echo prompts, and OpenAI's 401 a part of the
    key.
    """
    if isinstance(error, APIStatusError):
        if error.status_code < 500:
            return None
        return InternalServerError(f"Error code: {error.status_code}", response=error.response, body=None)
    return None if isinstance(error, APIError) and not isinstance(error, APIConnectionError) else error
