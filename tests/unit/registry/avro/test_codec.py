"""Avro events that Confluent's serializer writes, and that its deserializer reads after they were enriched."""

import pytest
from confluent_kafka.schema_registry import Schema, SchemaReference

from carteiro.registry.client import RegistryClient
from carteiro.wire.event_format import EventUnreadable
from tests.registry_server import RegistryServer
from tests.unit.registry.avro.events import ALL_TYPES, EVENT, WRITTEN, decode, enrich, record, typed
from tests.unit.registry.confluent import Confluent


async def test_enriched_event_keeps_every_value_and_has_the_members(
    client: RegistryClient, confluent: Confluent
) -> None:
    event = await confluent.avro(ALL_TYPES, EVENT)
    encoded = await enrich(client, event)
    assert event.value is not None
    assert event.value[5:] in encoded.value
    assert await confluent.read_avro(encoded.value) == EVENT | {"either": 0.1, "ai": WRITTEN}


async def test_enriched_schema_is_compatible_in_the_registry_with_the_event_schema(
    client: RegistryClient, confluent: Confluent, server: RegistryServer
) -> None:
    await enrich(client, await confluent.avro(ALL_TYPES, EVENT))
    server.store.set_level(None, "FULL_TRANSITIVE")
    (schema,) = server.store.subjects["enriched-value"].values()
    body = {"schema": schema.text}
    assert server.store.check("reviews-value", body, list(server.store.versions("reviews-value").values())) == []


async def test_referenced_types_are_read_and_stay_referenced(
    client: RegistryClient, confluent: Confluent, server: RegistryServer
) -> None:
    place = record(typed("city", "string"), name="com.shop.Place")
    await confluent.client.register_schema("place", Schema(place, "AVRO"))
    reference = [SchemaReference("com.shop.Place", "place", 1)]
    schema = Schema(record(typed("place", "com.shop.Place"), typed("home", ["null", "Place"])), "AVRO", reference)
    data = {"place": {"city": "Lisboa"}, "home": {"city": "Porto"}}
    event = await confluent.avro(schema, data)
    assert await decode(client, event) == data
    encoded = await enrich(client, event)
    assert server.store.subjects["enriched-value"][1].references == (("com.shop.Place", "place", 1),)
    assert await confluent.read_avro(encoded.value) == data | {"ai": WRITTEN}
    server.store.set_level("enriched-value", "NONE")
    inside = await enrich(client, event, {("place", "code"): {"type": "string"}}, {("place", "code"): "1000"})
    assert (await confluent.read_avro(inside.value))["place"] == {"city": "Lisboa", "code": "1000"}
    assert server.store.subjects["enriched-value"][2].references == ()


async def test_event_that_is_no_record_is_unreadable(client: RegistryClient, confluent: Confluent) -> None:
    with pytest.raises(EventUnreadable, match="the event is no record"):
        await decode(client, await confluent.avro('"string"', "text"))


async def test_event_that_repeats_a_long_symbol_is_unreadable(client: RegistryClient, confluent: Confluent) -> None:
    symbol = {"type": "enum", "name": "E", "symbols": ["x" * 100_000]}
    schema = record(typed("a", {"type": "array", "items": symbol}))
    event = await confluent.avro(schema, {"a": ["x" * 100_000] * 200})
    assert len(event.value or b"") < 300
    with pytest.raises(EventUnreadable, match="characters as JSON"):
        await decode(client, event)
