"""Replies in Redis, for all workers of a service."""

from redis.asyncio import Redis

_TIMEOUT_SECONDS = 2.0
"""Longest wait for Redis. It is short because a call of the model is the alternative."""


class RedisCache:
    """Cache backend in Redis. Its keys are `carteiro:reply:` and a digest in hexadecimal; Redis expires them."""

    def __init__(self, url: str, seconds: float, lock_seconds: float) -> None:
        """Create a client of the Redis at `url` (`redis://`, `rediss://` or `unix://`). It connects at the first use.

        Replies expire after `seconds`. Locks expire after `lock_seconds`: a worker that holds a lock and crashes blocks
        the others for that long.
        """
        self._seconds, self._lock_seconds = seconds, lock_seconds
        self._redis: Redis = Redis.from_url(
            url, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS
        )

    async def get(self, key: bytes) -> bytes | None:
        value = await self._redis.get(_redis_key(key))
        return value if isinstance(value, bytes) else None

    async def lock(self, key: bytes) -> bool:
        # The reply may have been stored, and the lock released, since the caller looked.
        async with self._redis.pipeline(transaction=True) as transaction:
            transaction.set(_redis_key(key, "claim"), b"", nx=True, px=int(self._lock_seconds * 1000))
            transaction.exists(_redis_key(key))
            locked, is_stored = await transaction.execute()
        if locked and is_stored:
            await self._redis.delete(_redis_key(key, "claim"))
        return bool(locked and not is_stored)

    async def store(self, key: bytes, value: bytes | None) -> None:
        async with self._redis.pipeline(transaction=True) as transaction:
            if value is not None:
                transaction.set(_redis_key(key), value, px=int(self._seconds * 1000))
            transaction.delete(_redis_key(key, "claim"))
            await transaction.execute()

    async def close(self) -> None:
        await self._redis.aclose()


def _redis_key(key: bytes, kind: str = "reply") -> str:
    return f"carteiro:{kind}:{key.hex()}"
