"""Tokens for Kafka's SASL/OAUTHBEARER, by the client credentials grant (RFC 6749, section 4.4)."""

import asyncio
import time
from typing import Any

import aiohttp
from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaConnectionError

_FETCH_SECONDS = 10.0
_FRESH_SHARE = 0.8
"""The part of a token's life in which it is used: what Kafka's own client does (`sasl.login.refresh.window.factor`)."""


class ClientCredentials(AbstractTokenProvider):  # type: ignore[misc]
    """Fetches tokens from an endpoint, one for all connections, anew before each expires."""

    def __init__(self, url: str, client_id: str, client_secret: str, scope: str | None) -> None:
        self._url, self._scope = url, scope
        self._auth = aiohttp.BasicAuth(client_id, client_secret)
        self._token, self._until = "", 0.0
        self._fetching = asyncio.Lock()

    async def token(self) -> str:
        """A token that is still good. Raises `KafkaConnectionError` where none is given out: Kafka is waited for."""
        async with self._fetching:
            if time.monotonic() >= self._until:
                answer = await self._fetch()
                self._token = str(answer["access_token"])
                self._until = time.monotonic() + _FRESH_SHARE * float(answer.get("expires_in", 60))
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
