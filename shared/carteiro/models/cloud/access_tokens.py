"""Access tokens that expire. They are fetched again in time."""

import asyncio
import time
from dataclasses import dataclass
from typing import Protocol

from carteiro.models.errors import ModelError

_REFRESH_MARGIN_SECONDS = 225.0
"""Seconds before its expiry at which a token is replaced. Google's metadata server hands out the old token until 4
minutes before; its own library waits until 3:45 (`google.auth._helpers.REFRESH_THRESHOLD`)."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An access token and its time of expiry, in seconds since 1970."""

    value: str
    expires_at: float


class TokenSource(Protocol):
    """Protocol of a source of access tokens."""

    variable: str
    """See `Credential.variable`."""

    async def check(self) -> None:
        """Check that the source has an identity. Raise `ModelUnusable` if it has none."""

    async def fetch(self) -> AccessToken:
        """Fetch a new token. Raise `Misconfigured` or `Unavailable` if the source gives out none."""

    async def close(self) -> None:
        """Close the connections."""


class TokenCredential:
    """Credential with a token from a source. One caller fetches the token for all callers."""

    def __init__(self, source: TokenSource) -> None:
        self.variable = source.variable
        self._source = source
        self._token = AccessToken("", 0.0)
        self._lock = asyncio.Lock()

    async def check(self) -> None:
        """Check the source. Raise `ModelUnusable` if it has no identity."""
        await self._source.check()

    async def close(self) -> None:
        """Close the source."""
        await self._source.close()

    async def get_value(self, rejected: str | None = None) -> str:
        """Return a token that is valid for some more minutes, but not `rejected`. Fetch a new one if necessary.

        Raise `Misconfigured` or `Unavailable` if the source gives out no token and the old one is of no more use.
        """
        if self._must_refresh(rejected):
            async with self._lock:
                if self._must_refresh(rejected):
                    await self._refresh(rejected)
        return self._token.value

    def _must_refresh(self, rejected: str | None) -> bool:
        return self._token.value == rejected or self._token.expires_at - time.time() < _REFRESH_MARGIN_SECONDS

    async def _refresh(self, rejected: str | None) -> None:
        try:
            self._token = await self._source.fetch()
        except ModelError:
            # The old token is valid until it expires. The next call tries again.
            if self._token.value == rejected or self._token.expires_at <= time.time():
                raise
