"""Tokens for Kafka's SASL/OAUTHBEARER, by the client credentials grant (RFC 6749, section 4.4)."""

import asyncio
import time
from typing import Any

import aiohttp
from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaConnectionError

_FETCH_SECONDS = 10.0
_REFRESH_FACTOR = 0.8
"""Share of a token's lifetime after which it is refreshed, as in Kafka's client: `sasl.login.refresh.window.factor`."""


class OAuthTokenProvider(AbstractTokenProvider):  # type: ignore[misc]
    """Fetches one token for all connections from an endpoint, and a new token before it expires."""

    def __init__(self, url: str, client_id: str, client_secret: str, scope: str | None) -> None:
        self._url, self._scope = url, scope
        self._auth = aiohttp.BasicAuth(client_id, client_secret)
        self._token, self._refresh_at = "", 0.0
        self._lock = asyncio.Lock()

    async def token(self) -> str:
        """Return a valid token. Raise `KafkaConnectionError` if there is no token, so that the worker waits."""
        async with self._lock:
            if time.monotonic() >= self._refresh_at:
                answer = await self._fetch()
                self._token = str(answer["access_token"])
                self._refresh_at = time.monotonic() + _REFRESH_FACTOR * float(answer.get("expires_in", 60))
        return self._token

    async def _fetch(self) -> dict[str, Any]:
        form = {"grant_type": "client_credentials"} | ({"scope": self._scope} if self._scope else {})
        try:
            timeout = aiohttp.ClientTimeout(total=_FETCH_SECONDS)
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(self._url, data=form, auth=self._auth, allow_redirects=False) as response,
            ):
                answer = await response.json() if response.status == 200 else {}
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise KafkaConnectionError(f"no token for Kafka from {self._url}: {error!r}") from None
        if not isinstance(answer, dict) or "access_token" not in answer:
            raise KafkaConnectionError(f"no token for Kafka from {self._url}: HTTP status {response.status}")
        return answer
