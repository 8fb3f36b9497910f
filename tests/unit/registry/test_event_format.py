import asyncio
import json
from typing import Any

import pytest

from carteiro.registry.client import RegistryClient
from carteiro.registry.errors import RegistryUnavailable, SchemaRejected, SchemaUnknown
from carteiro.registry.event_format import RegistryFormat, Schemas
from carteiro.registry.framing import SCHEMA_ID_HEADER
from carteiro.registry.subjects import SubjectStrategy
from carteiro.wire.event_format import EncodedEvent, EventUnreadable, Path
from tests.conftest import eventually
from tests.registry_server import RegistryServer
from tests.unit.registry.confluent import Confluent
from tests.unit.registry.protobuf.messages import PLACE, message_class
from tests.unit.wire.fake_record import FakeRecord

AVRO = '{"type":"record","name":"com.shop.Review","fields":[{"name":"text","type":"string"}]}'
JSON = '{"title":"Review","type":"object","properties":{"text":{"type":"string"}}}'
MEMBERS: dict[Path, Any] = {("ai", "summary"): {"type": "string"}}
VALUES: dict[Path, Any] = {("ai", "summary"): "Fine."}


def make_format(client: RegistryClient, strategy: SubjectStrategy = SubjectStrategy.TOPIC) -> RegistryFormat:
    return RegistryFormat(client, Schemas(client), strategy, "enriched", MEMBERS)


async def enrich(events: RegistryFormat, event: FakeRecord) -> EncodedEvent:
    decoded = await events.decode(event)
    await decoded.prepare()
    return decoded.encode(VALUES)


async def test_schemas_are_fetched_and_registered_once_for_all_events(
    client: RegistryClient, confluent: Confluent, server: RegistryServer
) -> None:
    records = [await confluent.avro(AVRO, {"text": str(number)}) for number in range(5)]
    events = make_format(client)
    server.requests.clear()
    await asyncio.gather(*(enrich(events, each) for each in records))
    await enrich(events, records[0])
    assert server.requests == ["GET /schemas/ids/1", "POST /subjects/enriched-value/versions?normalize=False"]


async def test_event_whose_schema_is_only_read_is_registered_nowhere(
    client: RegistryClient, confluent: Confluent, server: RegistryServer
) -> None:
    event = await make_format(client).decode(await confluent.avro(AVRO, {"text": "a"}))
    assert event.document == {"text": "a"}
    assert list(server.store.subjects) == ["reviews-value"]


@pytest.mark.parametrize(
    ("strategy", "subject"),
    [
        (SubjectStrategy.TOPIC, "enriched-value"),
        (SubjectStrategy.RECORD, "com.shop.Review"),
        (SubjectStrategy.TOPIC_RECORD, "enriched-com.shop.Review"),
    ],
)
async def test_schema_is_registered_under_the_subject_of_the_strategy(
    client: RegistryClient, confluent: Confluent, server: RegistryServer, strategy: SubjectStrategy, subject: str
) -> None:
    await enrich(make_format(client, strategy), await confluent.avro(AVRO, {"text": "a"}))
    assert list(server.store.subjects) == ["reviews-value", subject]


async def test_id_in_the_header_stays_in_the_header(client: RegistryClient, server: RegistryServer) -> None:
    server.store.set_level(None, "NONE")  # three types of schemas in one subject
    writer = Confluent(server, in_header=True)
    place = message_class("shop.Place", PLACE)
    records = [
        await writer.avro(AVRO, {"text": "a"}),
        await writer.json(JSON, {"text": "a"}),
        await writer.protobuf(place(city="Lisboa")),
    ]
    events = make_format(client)
    encoded = [await enrich(events, each) for each in records]
    assert [name for each in encoded for name, _ in each.headers] == [SCHEMA_ID_HEADER] * 3
    assert await writer.read_avro(encoded[0].value, encoded[0].headers) == {"text": "a", "ai": {"summary": "Fine."}}
    assert json.loads(encoded[1].value) == {"text": "a", "ai": {"summary": "Fine."}}
    read = await writer.read_protobuf(encoded[2].value, place, encoded[2].headers)
    assert read.city == "Lisboa"
    await writer.close()


async def test_event_without_a_schema_id_is_json(client: RegistryClient, server: RegistryServer) -> None:
    encoded = await enrich(make_format(client), FakeRecord(b'{"n": 1.10}'))
    assert encoded.value == b'{"n": 1.10,"ai":{"summary":"Fine."}}'
    assert not server.requests


async def test_unknown_id_is_unreadable_and_is_not_asked_for_again(
    client: RegistryClient, server: RegistryServer
) -> None:
    events = make_format(client)
    for _ in range(3):
        with pytest.raises(SchemaUnknown) as caught:
            await events.decode(FakeRecord(b"\x00\x00\x00\x00\x63abc"))
    assert isinstance(caught.value, EventUnreadable)
    assert server.requests == ["GET /schemas/ids/99"]


async def test_event_is_enriched_once_the_registry_is_back(
    client: RegistryClient, confluent: Confluent, server: RegistryServer
) -> None:
    event, events = await confluent.avro(AVRO, {"text": "a"}), make_format(client)
    await server.stop()
    with pytest.raises(RegistryUnavailable):
        await events.decode(event)
    await server.start()
    decoded = await events.decode(event)
    server.fault = 503
    with pytest.raises(RegistryUnavailable):
        await decoded.prepare()
    server.fault = 0
    await decoded.prepare()
    assert await confluent.read_avro(decoded.encode(VALUES).value) == {"text": "a", "ai": {"summary": "Fine."}}


async def test_fetch_that_is_cancelled_is_done_again_for_another_event(
    client: RegistryClient, confluent: Confluent, server: RegistryServer
) -> None:
    event, events = await confluent.avro(AVRO, {"text": "a"}), make_format(client)
    server.hold = asyncio.Event()
    server.requests.clear()
    tasks = [asyncio.create_task(events.decode(event)) for _ in range(2)]
    await eventually(lambda: server.requests)
    tasks[0].cancel()
    server.hold.set()
    assert (await tasks[1]).document == {"text": "a"}


async def test_schema_that_the_registry_refuses_is_refused_before_the_event_is_written(
    client: RegistryClient, confluent: Confluent, server: RegistryServer
) -> None:
    event, events = await confluent.avro(AVRO, {"text": "a"}), make_format(client)
    other = AVRO.replace('"string"', '"int"')
    server.store.register("enriched-value", {"schema": other})
    decoded = await events.decode(event)
    for _ in range(2):
        with pytest.raises(SchemaRejected, match="incompatible"):
            await decoded.prepare()
    assert sum("enriched-value" in each for each in server.requests) == 1


async def test_next_version_of_the_event_schema_is_compatible_with_the_enriched_schema_of_the_first(
    client: RegistryClient, confluent: Confluent, server: RegistryServer
) -> None:
    events = make_format(client)
    await enrich(events, await confluent.avro(AVRO, {"text": "a"}))
    fields = '{"name":"text","type":"string"},{"name":"stars","type":"int","default":0}'
    newer = AVRO.replace('{"name":"text","type":"string"}', fields)
    encoded = await enrich(events, await confluent.avro(newer, {"text": "b", "stars": 5}))
    assert await confluent.read_avro(encoded.value) == {"text": "b", "stars": 5, "ai": {"summary": "Fine."}}
    assert len(server.store.subjects["enriched-value"]) == 2
