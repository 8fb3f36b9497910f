"""Replies in Redis, for all workers of a service."""

from redis.asyncio import Redis

_SECONDS = 2.0
"""Longest that Redis may take: the model could be asked meanwhile."""


class RedisShelf:
    """Keys are `carteiro:reply:` and a digest in hexadecimal; each expires by itself."""

    def __init__(self, url: str, seconds: float, claim_seconds: float) -> None:
        """`url` as Redis' clients have it (`redis://`, `rediss://`, `unix://`). Replies are kept for `seconds`; whoever
        claims one and dies holds the others up for `claim_seconds`.
        """
        self._seconds, self._claim_seconds = seconds, claim_seconds
        self._redis: Redis = Redis.from_url(url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS)

    async def take(self, key: bytes) -> bytes | None:
        kept = await self._redis.get(_name(key))
        return kept if isinstance(kept, bytes) else None

    async def claim(self, key: bytes) -> bool:
        return bool(await self._redis.set(_name(key, "claim"), b"", nx=True, px=int(self._claim_seconds * 1000)))

    async def leave(self, key: bytes, value: bytes | None) -> None:
        async with self._redis.pipeline(transaction=True) as together:
            if value is not None:
                together.set(_name(key), value, px=int(self._seconds * 1000))
            together.delete(_name(key, "claim"))
            await together.execute()

    async def close(self) -> None:
        await self._redis.aclose()


def _name(key: bytes, what: str = "reply") -> str:
    return f"carteiro:{what}:{key.hex()}"
