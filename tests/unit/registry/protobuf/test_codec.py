"""Protobuf events that Confluent's serializer writes, and that its deserializer reads after they were enriched."""

import base64
import threading
from typing import Any

import pytest
from google.protobuf import text_format
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from carteiro.registry.client import RegistryClient
from carteiro.registry.event_format import RegistryFormat, Schemas
from carteiro.registry.framing import Frame
from carteiro.registry.protobuf.codec import ProtobufCodec
from carteiro.registry.subjects import SubjectStrategy
from carteiro.wire.event_format import EncodedEvent, EventUnreadable, MemberRefused
from tests.registry_server import RegistryServer
from tests.unit.registry.confluent import Confluent
from tests.unit.registry.protobuf.messages import PLACE, REVIEW, message_class
from tests.unit.wire.fake_record import FakeRecord

LABEL = {"type": "object", "properties": {"label": {"enum": ["good", "bad"]}, "score": {"type": "number"}}}
ERRORS = {"type": "array", "items": {"type": "object", "properties": {"code": {"type": "string"}}}}
MEMBERS = {
    ("ai", "summary"): {"type": "string"},
    ("ai", "mood"): LABEL,
    ("ai", "errors"): ERRORS,
    ("ai", "words"): {"type": "array", "items": {"type": "string"}},
    ("ai", "any"): None,
}
VALUES = {("ai", "summary"): "Fine.", ("ai", "mood"): {"label": "good", "score": 0.5}}
REVIEW_CLASS = message_class("shop.Review", PLACE, REVIEW)


def review() -> Any:
    event = REVIEW_CLASS(text="olá", n=-(2**63), big=2**64 - 1, d=0.1, raw=b"\x00\xff", color=1, tags=["a", "b"])
    event.counts["x"] = 2**62
    event.row.id = 0
    event.row.SetInParent()
    event.place.city = "Lisboa"
    event.at.FromJsonString("2026-11-30T08:15:00.123456789Z")
    event.score.value = 2**53 + 1
    event.extra.update({"k": [1, None]})
    event.price.value, event.price.scale = (-1250).to_bytes(2, "big", signed=True), 2
    return event


async def enrich(client: RegistryClient, event: FakeRecord, members: Any = None, values: Any = None) -> EncodedEvent:
    events = RegistryFormat(client, Schemas(client), SubjectStrategy.TOPIC, "enriched", members or MEMBERS)
    decoded = await events.decode(event)
    await decoded.prepare()
    return decoded.encode(values or VALUES)


async def read_enriched(client: RegistryClient, encoded: EncodedEvent) -> dict[str, Any]:
    """Return an enriched event as a document, by the schema that was registered for it."""
    events = RegistryFormat(client, Schemas(client), SubjectStrategy.TOPIC, "again", MEMBERS)
    return (await events.decode(FakeRecord(encoded.value, tuple(encoded.headers)))).document


async def test_every_type_has_a_json_value(client: RegistryClient, confluent: Confluent) -> None:
    events = RegistryFormat(client, Schemas(client), SubjectStrategy.TOPIC, "enriched", MEMBERS)
    assert (await events.decode(await confluent.protobuf(review()))).document == {
        "text": "olá",
        "n": -(2**63),
        "big": 2**64 - 1,
        "d": 0.1,
        "raw": "AP8=",
        "color": "BLUE",
        "tags": ["a", "b"],
        "counts": {"x": 2**62},
        "row": {"id": 0},
        "place": {"city": "Lisboa"},
        "at": "2026-11-30T08:15:00.123456789Z",
        "score": 2**53 + 1,
        "extra": {"k": [1.0, None]},
        "price": "-12.50",
    }


async def test_enriched_event_keeps_every_value_and_unknown_fields(
    client: RegistryClient, confluent: Confluent
) -> None:
    event, unknown = await confluent.protobuf(review()), b"\x9a\x06\x03abc"
    assert event.value is not None
    encoded = await enrich(client, FakeRecord(event.value + unknown))
    read = await confluent.read_protobuf(encoded.value, REVIEW_CLASS)
    assert unknown in encoded.value
    read.DiscardUnknownFields()
    assert read == review()
    assert (await read_enriched(client, encoded))["ai"] == {
        "summary": "Fine.",
        "mood": {"label": "good", "score": 0.5},
        "errors": [],
        "words": [],
    }


async def test_members_of_every_kind_are_written(client: RegistryClient, confluent: Confluent) -> None:
    values = {
        ("ai", "errors"): [{"code": "internal"}, {"code": "expired"}],
        ("ai", "words"): ["a", "b"],
        ("ai", "any"): {"x": [1]},
    }
    encoded = await enrich(client, await confluent.protobuf(review()), None, values)
    assert (await read_enriched(client, encoded))["ai"] == {
        "errors": [{"code": "internal"}, {"code": "expired"}],
        "words": ["a", "b"],
        "any": '{"x":[1]}',
    }


async def test_number_of_a_field_does_not_depend_on_the_other_members(
    client: RegistryClient, confluent: Confluent
) -> None:
    event = await confluent.protobuf(review())
    one = await enrich(client, event, {("summary",): {"type": "string"}}, {("summary",): "s"})
    values = {("ai", "summary"): "x", ("summary",): "s"}
    two = await enrich(client, event, {**MEMBERS, ("summary",): {"type": "string"}}, values)
    field = one.value[-5:]
    assert field[-2:] == b"\x01s"
    assert field in two.value


async def test_nested_message_is_found_by_its_indexes_and_extended(
    client: RegistryClient, confluent: Confluent
) -> None:
    row = message_class("shop.Review.Row", PLACE, REVIEW)
    event = await confluent.protobuf(row(id=5))
    assert event.value is not None
    assert event.value[5:8] == b"\x04\x02\x00"
    encoded = await enrich(client, event)
    assert encoded.value[5:8] == b"\x04\x02\x00"
    assert (await read_enriched(client, encoded))["id"] == 5
    assert (await read_enriched(client, encoded))["ai"]["summary"] == "Fine."


async def test_two_messages_of_one_schema_have_a_subject_each(
    client: RegistryClient, confluent: Confluent, server: RegistryServer
) -> None:
    row = message_class("shop.Review.Row", PLACE, REVIEW)
    events = RegistryFormat(client, Schemas(client), SubjectStrategy.TOPIC_RECORD, "enriched", MEMBERS)
    for each in (review(), row(id=5)):
        decoded = await events.decode(await confluent.protobuf(each))
        await decoded.prepare()
        assert (await read_enriched(client, decoded.encode(VALUES)))["ai"]["summary"] == "Fine."
    assert list(server.store.subjects)[-2:] == ["enriched-shop.Review", "enriched-shop.Review.Row"]


async def test_member_goes_into_a_message_of_the_event(client: RegistryClient, confluent: Confluent) -> None:
    member = {("row", "ai", "summary"): {"type": "string"}}
    values = {("row", "ai", "summary"): "s"}
    encoded = await enrich(client, await confluent.protobuf(review()), member, values)
    assert (await read_enriched(client, encoded))["row"] == {"id": 0, "ai": {"summary": "s"}}
    with pytest.raises(MemberRefused, match="row is not set"):
        await enrich(client, await confluent.protobuf(REVIEW_CLASS(text="a")), member, values)


async def test_second_enrichment_replaces_the_values_of_the_first(client: RegistryClient, confluent: Confluent) -> None:
    first = await enrich(client, await confluent.protobuf(review()), None, {("ai", "errors"): [{"code": "a"}]})
    members = MEMBERS | {("ai", "language"): {"type": "string"}}
    values = {("ai", "errors"): [{"code": "b"}], ("ai", "language"): "pt"}
    second = await enrich(client, FakeRecord(first.value), members, values)
    ai = (await read_enriched(client, second))["ai"]
    assert (ai["errors"], ai["language"]) == ([{"code": "b"}], "pt")


async def test_member_in_a_type_of_another_schema_is_refused(client: RegistryClient, confluent: Confluent) -> None:
    event = await confluent.protobuf(review())
    with pytest.raises(MemberRefused, match="place is of a type of another schema"):
        await enrich(client, event, {("place", "code"): None})
    with pytest.raises(MemberRefused, match="n is of another type"):
        await enrich(client, event, {("n",): {"type": "string"}})


async def test_schema_keeps_its_references_and_is_compatible(
    client: RegistryClient, confluent: Confluent, server: RegistryServer
) -> None:
    await enrich(client, await confluent.protobuf(review()))
    (schema,) = server.store.subjects["enriched-value"].values()
    assert schema.references == (("place.proto", "place.proto", 1),)
    server.store.set_level(None, "BACKWARD_TRANSITIVE")
    keys = ("name", "subject", "version")
    references = [dict(zip(keys, each, strict=True)) for each in schema.references]
    body = {"schema": schema.text, "schemaType": "PROTOBUF", "references": references}
    older = list(server.store.versions("reviews-value").values())
    assert server.store.check("reviews-value", body, older) == []


@pytest.mark.parametrize("tail", [b"\x02\x0e", b"\x01", b"\xff\xff\xff\xff\xff\xff", b"\x00\x0a\xff"])
async def test_damaged_event_is_unreadable(client: RegistryClient, confluent: Confluent, tail: bytes) -> None:
    event = await confluent.protobuf(review())
    events = RegistryFormat(client, Schemas(client), SubjectStrategy.TOPIC, "enriched", MEMBERS)
    assert event.value is not None
    with pytest.raises(EventUnreadable):
        await events.decode(FakeRecord(event.value[:5] + tail))


async def test_optional_fields_are_read_without_their_oneofs(client: RegistryClient, server: RegistryServer) -> None:
    file = text_format.Parse(PLACE, FileDescriptorProto())
    field = file.message_type[0].field.add(name="note", number=9, type=9, label=1, proto3_optional=True)
    text = base64.b64encode(file.SerializeToString()).decode()
    number, _ = server.store.register("place", {"schema": text, "schemaType": "PROTOBUF"})
    events = RegistryFormat(client, Schemas(client), SubjectStrategy.TOPIC, "enriched", MEMBERS)
    value = b"\x00" + number.to_bytes(4, "big") + b"\x00" + bytes([field.number << 3 | 2, 1]) + b"x"
    assert (await events.decode(FakeRecord(value))).document["note"] == "x"


async def open_bomb(client: RegistryClient, server: RegistryServer) -> tuple[RegistryFormat, bytes]:
    """Return a format, and the start of an event to which each two bytes `\x0a\x00` add an item of 1,000 fields."""
    file = FileDescriptorProto(name="bomb.proto", syntax="proto3")
    root, empty = file.message_type.add(name="Root"), file.message_type.add(name="Empty")
    root.field.add(name="items", number=1, type=11, label=3, type_name=".Empty")
    for number in range(1, 1001):
        empty.field.add(name=f"f{number}", number=number, type=5, label=1)
    text = base64.b64encode(file.SerializeToString()).decode()
    number, _ = server.store.register("bomb", {"schema": text, "schemaType": "PROTOBUF"})
    events = RegistryFormat(client, Schemas(client), SubjectStrategy.TOPIC, "enriched", MEMBERS)
    return events, b"\x00" + number.to_bytes(4, "big") + b"\x00"


async def test_message_of_many_unset_fields_is_unreadable(client: RegistryClient, server: RegistryServer) -> None:
    events, start = await open_bomb(client, server)
    with pytest.raises(EventUnreadable, match="more than 1,000,000 values"):
        await events.decode(FakeRecord(start + b"\x0a\x00" * 1001))


@pytest.mark.parametrize(("items", "in_thread"), [(1, False), (200, True)])
async def test_short_event_of_many_values_is_decoded_in_a_thread(
    client: RegistryClient, server: RegistryServer, monkeypatch: pytest.MonkeyPatch, items: int, in_thread: bool
) -> None:
    events, start = await open_bomb(client, server)
    decode, threads = ProtobufCodec.decode, list[bool]()

    def note_thread(self: ProtobufCodec, frame: Frame) -> dict[str, Any]:
        threads.append(threading.current_thread() is not threading.main_thread())
        return decode(self, frame)

    monkeypatch.setattr(ProtobufCodec, "decode", note_thread)
    event = await events.decode(FakeRecord(start + b"\x0a\x00" * items))
    assert len(event.document["items"]) == items
    assert threads == [event.is_large] == [in_thread]
