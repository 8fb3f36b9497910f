from typing import Any
from uuid import UUID

import pytest

from carteiro.registry.client import RegistryClient
from carteiro.wire.event_format import EventUnreadable
from tests.unit.registry.avro.events import ALL_TYPES, EVENT, decode, record, typed
from tests.unit.registry.confluent import Confluent
from tests.unit.wire.fake_record import FakeRecord


async def test_every_type_has_a_json_value(client: RegistryClient, confluent: Confluent) -> None:
    document = await decode(client, await confluent.avro(ALL_TYPES, EVENT))
    assert document == {
        "text": "olá",
        "n": -(2**63),
        "small": 2**31 - 1,
        "f": 0.5,
        "d": 0.1,
        "yes": True,
        "raw": "AP8=",
        "nothing": None,
        "price": "123456789012345678901234567.0123456789",
        "fee": "-12.50",
        "at": "2026-11-30T08:15:00.123456Z",
        "at_ms": "2026-11-30T08:15:00.250Z",
        "local": "2026-11-30T08:15:00.250",
        "day": "2026-11-30",
        "clock": "08:15:00.000005",
        "id": str(UUID(int=7)),
        "color": "BLUE",
        "tags": ["a", "b"],
        "counts": {"x": 2**62},
        "either": 0.1,
        "place": {"city": "Lisboa"},
        "other": None,
    }


@pytest.mark.parametrize(
    "damage",
    [lambda body: body[:-1], lambda body: b"\xff" * 12 + body, lambda body: b"\x03" + body[1:], lambda body: b""],
    ids=["cut", "number", "negative size", "empty"],
)
async def test_damaged_event_is_unreadable(client: RegistryClient, confluent: Confluent, damage: Any) -> None:
    event = await confluent.avro(record(typed("text", "string")), {"text": "abc"})
    assert event.value is not None
    with pytest.raises(EventUnreadable, match="the event is not of its schema"):
        await decode(client, FakeRecord(event.value[:5] + damage(event.value[5:])))


async def test_event_nested_deeper_than_the_stack_is_unreadable(client: RegistryClient, confluent: Confluent) -> None:
    schema = record(typed("next", ["null", "com.shop.Review"]))
    event = await confluent.avro(schema, {"next": None})
    assert event.value is not None
    with pytest.raises(EventUnreadable, match="RecursionError"):
        await decode(client, FakeRecord(event.value[:5] + b"\x02" * 100_000 + b"\x00"))


async def test_count_that_the_data_has_not_is_unreadable(client: RegistryClient, confluent: Confluent) -> None:
    event = await confluent.avro(record(typed("tags", {"type": "array", "items": "string"})), {"tags": []})
    assert event.value is not None
    with pytest.raises(EventUnreadable):
        await decode(client, FakeRecord(event.value[:5] + b"\xfe\xff\xff\xff\xff\xff\x0f" + b"\x00" * 100))


async def test_number_with_more_than_64_bits_is_unreadable(client: RegistryClient, confluent: Confluent) -> None:
    event = await confluent.avro(record(typed("n", "long")), {"n": 1})
    assert event.value is not None
    with pytest.raises(EventUnreadable, match="ValueError"):
        await decode(client, FakeRecord(event.value[:5] + b"\xff" * 100 + b"\x01"))
