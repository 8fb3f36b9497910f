"""Anthropic's SDK with the interface and the errors of OpenAI's, which the rest of the package knows."""

import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anthropic
import httpx2
import openai


class AnthropicClient:
    """Client of Anthropic's API at `base_url`. The SDK retries nothing, and reads no credential of the environment."""

    def __init__(self, base_url: str, timeout: openai.Timeout, tls: ssl.SSLContext, limits: httpx2.Limits) -> None:
        self.base_url = f"{base_url.rstrip('/')}/"
        self.http = anthropic.DefaultAioHttpClient(follow_redirects=False, timeout=timeout, verify=tls, limits=limits)
        """The HTTP client through which the SDK makes its calls."""
        self._client = anthropic.AsyncAnthropic(
            base_url=base_url,
            api_key="none",
            max_retries=0,
            timeout=timeout,
            open_telemetry=False,  # The worker has a span for each call.
            http_client=self.http,
        )

    @property
    def default_headers(self) -> Mapping[str, Any]:
        """The headers that the SDK sends with every call, some of them `anthropic.Omit` to leave one out."""
        return self._client.default_headers

    async def post(self, url: str, *, options: Mapping[str, Any], **more: Any) -> Any:
        """Post a request as the method `post` of OpenAI's client does. Raise the errors that it raises."""
        return await self._call(self._client.post, url, options, more)

    async def get(self, url: str, *, options: Mapping[str, Any], **more: Any) -> Any:
        """Read an address as the method `get` of OpenAI's client does. Raise the errors that it raises."""
        return await self._call(self._client.get, url, options, more)

    async def delete(self, url: str, *, options: Mapping[str, Any], **more: Any) -> Any:
        """Delete an object as the method `delete` of OpenAI's client does. Raise the errors that it raises."""
        return await self._call(self._client.delete, url, options, more)

    async def _call(
        self, method: Callable[..., Awaitable[Any]], url: str, options: Mapping[str, Any], more: Mapping[str, Any]
    ) -> Any:
        headers = {
            name: value if isinstance(value, str) else anthropic.Omit() for name, value in options["headers"].items()
        }
        try:
            return await method(url, options={**options, "headers": headers}, **more)
        except anthropic.APIStatusError as error:
            raise openai.APIStatusError(error.message, response=error.response, body=error.body) from None
        except anthropic.APIConnectionError as error:
            raise openai.APIConnectionError(request=error.request) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
