"""Replies in a real Redis."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisUnreachable

from carteiro.worker.handling.redis_cache import RedisCache
from tests.conftest import eventually_true

KEY = bytes(32)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    redis = Redis.from_url(redis_url)

    async def answers() -> bool:
        try:
            return bool(await redis.ping())
        except (OSError, RedisUnreachable):
            return False

    await eventually_true(answers)
    await redis.flushall()
    yield redis
    await redis.aclose()


@pytest.fixture
async def cache(redis: Redis, redis_url: str) -> AsyncIterator[RedisCache]:
    cache = RedisCache(redis_url, 60, 30)
    yield cache
    await cache.close()


async def test_stored_value_is_found_under_a_readable_key(cache: RedisCache, redis: Redis) -> None:
    assert await cache.get(KEY) is None
    await cache.store(KEY, b"reply")
    assert await cache.get(KEY) == b"reply"
    assert await redis.get(f"carteiro:reply:{KEY.hex()}") == b"reply"
    assert 0 < await redis.pttl(f"carteiro:reply:{KEY.hex()}") <= 60_000


async def test_lock_has_one_owner_until_the_value_is_stored(cache: RedisCache, redis: Redis) -> None:
    assert await cache.lock(KEY)
    assert not await cache.lock(KEY)
    assert 0 < await redis.pttl(f"carteiro:claim:{KEY.hex()}") <= 30_000
    await cache.store(KEY, None)
    assert await cache.get(KEY) is None
    assert await cache.lock(KEY)


async def test_stored_value_is_not_computed_again_by_a_caller_that_looked_too_early(
    cache: RedisCache, redis: Redis
) -> None:
    await cache.lock(KEY)
    await cache.store(KEY, b"reply")
    assert not await cache.lock(KEY)
    assert await redis.keys("carteiro:claim:*") == []
