import asyncio

import pytest

from carteiro.registry.errors import RegistryUnavailable, SchemaUnknown
from carteiro.registry.schema_cache import MAX_CHARACTERS, SchemaCache


class Maker:
    """Makes an entry once it may, and counts."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls, self.error, self.may = 0, error, asyncio.Event()
        self.may.set()

    async def __call__(self) -> str:
        self.calls += 1
        await self.may.wait()
        if self.error is not None:
            raise self.error
        return f"entry {self.calls}"


async def test_entry_is_made_once_for_all_that_wait() -> None:
    cache, make = SchemaCache[str](10, 30, len), Maker()
    make.may.clear()
    waiting = [asyncio.create_task(cache.get(b"1", make)) for _ in range(5)]
    await asyncio.sleep(0)
    make.may.set()
    assert await asyncio.gather(*waiting) == ["entry 1"] * 5
    assert await cache.get(b"1", make) == "entry 1"


async def test_entry_that_was_not_used_for_the_longest_time_goes_first() -> None:
    cache, make = SchemaCache[str](2, 30, len), Maker()
    for key in (b"1", b"2", b"1", b"3"):
        await cache.get(key, make)
    assert len(cache) == 2
    assert await cache.get(b"1", make) == "entry 1"
    assert await cache.get(b"2", make) == "entry 4"


async def test_entries_of_large_schemas_are_fewer() -> None:
    cache, make = SchemaCache[str](10, 30, lambda _: MAX_CHARACTERS // 2 - 1), Maker()
    for key in (b"1", b"2", b"3"):
        await cache.get(key, make)
    assert len(cache) == 2
    alone = SchemaCache[str](10, 30, lambda _: MAX_CHARACTERS + 1)
    await alone.get(b"1", make)
    assert len(alone) == 1


async def test_failure_of_a_schema_is_kept_for_its_time() -> None:
    now = [0.0]
    cache, make = SchemaCache[str](10, 30, len, lambda: now[0]), Maker(SchemaUnknown("no schema"))
    for _ in range(3):
        with pytest.raises(SchemaUnknown, match="no schema"):
            await cache.get(b"1", make)
    assert make.calls == 1
    now[0], make.error = 31.0, None
    assert await cache.get(b"1", make) == "entry 2"


async def test_failure_of_the_registry_is_not_kept() -> None:
    cache, make = SchemaCache[str](10, 30, len), Maker(RegistryUnavailable("away"))
    with pytest.raises(RegistryUnavailable):
        await cache.get(b"1", make)
    make.error = None
    assert await cache.get(b"1", make) == "entry 2"
