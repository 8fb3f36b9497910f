"""Tokens that expire, fetched anew in time."""

import asyncio
import time
from dataclasses import dataclass
from typing import Protocol

from carteiro.models.failures import ModelFailure

_EARLY_SECONDS = 225.0
"""How long before it expires a token is replaced. Google's metadata server hands out the old one until 4 minutes
before; its own library waits for 3:45 (`google.auth._helpers.REFRESH_THRESHOLD`)."""


@dataclass(frozen=True, slots=True)
class Token:
    """An access token and when it expires, in seconds since 1970."""

    secret: str
    expires: float


class TokenSource(Protocol):
    """Where tokens come from."""

    variable: str
    """As of a `Credential`."""

    async def check(self) -> None:
        """As of a `Credential`."""

    async def fetch(self) -> Token:
        """A new token. Raises `Misconfigured` or `Unavailable`."""

    async def close(self) -> None:
        """As of a `Credential`."""


class Tokens:
    """The credential behind which tokens are fetched, by one caller for all."""

    def __init__(self, source: TokenSource) -> None:
        self.variable = source.variable
        self._source = source
        self._token = Token("", 0.0)
        self._fetching = asyncio.Lock()

    async def check(self) -> None:
        """Find where tokens come from. Raises `ModelUnusable`."""
        await self._source.check()

    async def close(self) -> None:
        """Close the source."""
        await self._source.close()

    async def secret(self, refused: str | None = None) -> str:
        """A token that is good for some minutes yet."""
        if self._due(refused):
            async with self._fetching:
                if self._due(refused):
                    await self._replace(refused)
        return self._token.secret

    def _due(self, refused: str | None) -> bool:
        return self._token.secret == refused or self._token.expires - time.time() < _EARLY_SECONDS

    async def _replace(self, refused: str | None) -> None:
        try:
            self._token = await self._source.fetch()
        except ModelFailure:
            # The old one may serve until the next call tries again.
            if self._token.secret == refused or self._token.expires <= time.time():
                raise
