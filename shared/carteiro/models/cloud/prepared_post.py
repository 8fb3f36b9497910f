"""A POST with fixed address and headers, for many bodies.

The SDK builds each request from its options, which takes several times as long as to send it. The headers, the
connections and the errors are the SDK's all the same.
"""

import ssl
from collections.abc import Mapping
from typing import Any

import httpx2
from openai import APIConnectionError, APIStatusError, Omit

Headers = dict[str, str | Omit]
"""Headers of a call; `Omit` leaves out a header that the SDK would send."""


class PreparedPost:
    """POST to `url` through `http`, with the `defaults` of an SDK and the `headers` that replace some of them."""

    def __init__(
        self,
        http: httpx2.AsyncClient,
        defaults: Mapping[str, Any],
        url: str,
        query: Mapping[str, str],
        headers: Headers,
    ) -> None:
        self._http, self._url, self._headers = http, url, headers
        sent = httpx2.Headers()
        for name, value in (*defaults.items(), *headers.items()):
            if isinstance(value, str):
                sent[name] = value
            else:
                sent.pop(name, None)
        self._request = http.build_request("POST", url, headers=sent, params=query or None)
        del self._request.headers["content-length"]  # The transport adds it.

    def has(self, url: str, headers: Headers) -> bool:
        """Return True if the post has this address and these headers."""
        return url == self._url and headers == self._headers

    async def send(self, content: bytes) -> httpx2.Response:
        """Post a body of JSON. Return the response with an unread body.

        Raise `APIConnectionError`, `APIStatusError`, and errors of the transport.
        """
        like = self._request
        # A request that is made of bytes, and not of a stream, has all its headers processed again.
        stream = httpx2.ByteStream(content)
        request = httpx2.Request("POST", like.url, headers=like.headers, stream=stream, extensions=like.extensions)
        request.read()  # Otherwise the transport would send chunks.
        try:
            response = await self._http.send(request, stream=True)
        except (httpx2.RequestError, ssl.SSLError) as error:
            raise APIConnectionError(request=request) from error
        if not response.is_success:
            await response.aread()
            raise APIStatusError(f"Error code: {response.status_code}", response=response, body=response.text)
        return response
