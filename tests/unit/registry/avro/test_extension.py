"""Avro events that Confluent's serializer writes, and that its deserializer reads after they were enriched."""

import io
import json
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.registry.avro.codec import AvroCodec
from carteiro.registry.client import RegistryClient
from carteiro.registry.framing import Frame
from carteiro.registry.member_types import member_types
from carteiro.registry.registered_schema import FetchedSchema, SchemaText
from carteiro.wire.event_format import MemberRefused
from tests.registry_server import RegistryServer
from tests.unit.registry.avro.events import MEMBERS, VALUES, WRITTEN, decode, enrich, record, typed
from tests.unit.registry.confluent import Confluent
from tests.unit.wire.fake_record import FakeRecord

TEXT = typed("text", ["null", "string"], default=None)
ROW = {"type": "record", "name": "Value", "fields": [typed("id", "long"), TEXT]}
ENVELOPE = record(
    typed("before", ["null", ROW], default=None),
    typed("after", ["null", "Value"], default=None),
    typed("history", {"type": "array", "items": "Value"}),
    typed("by_name", {"type": "map", "values": "Value"}),
    typed("op", "string"),
    name="shop.public.reviews.Envelope",
)
ROW_1, ROW_2 = {"id": 1, "text": "old"}, {"id": 2, "text": "new"}
CHANGE = {"before": ROW_1, "after": ROW_2, "history": [ROW_1, ROW_2], "by_name": {"x": ROW_1}, "op": "u"}
IN_AFTER = {("after", "ai", "summary"): {"type": "string"}, ("op_name",): {"type": "string"}}


async def test_member_of_an_inner_record_is_null_in_the_other_records_of_its_type(
    client: RegistryClient, confluent: Confluent
) -> None:
    event = await confluent.avro(ENVELOPE, CHANGE)
    encoded = await enrich(client, event, IN_AFTER, {("after", "ai", "summary"): "s", ("op_name",): "update"})
    first, second = ROW_1 | {"ai": None}, ROW_2 | {"ai": None}
    assert await confluent.read_avro(encoded.value) == CHANGE | {
        "before": first,
        "after": ROW_2 | {"ai": {"summary": "s"}},
        "history": [first, second],
        "by_name": {"x": first},
        "op_name": "update",
    }


async def test_member_of_a_record_that_is_null_is_refused(client: RegistryClient, confluent: Confluent) -> None:
    event = await confluent.avro(ENVELOPE, CHANGE | {"after": None, "op": "d"})
    with pytest.raises(MemberRefused, match="after is no object"):
        await enrich(client, event, IN_AFTER, {("after", "ai", "summary"): "s"})
    assert await enrich(client, event, IN_AFTER, {("op_name",): "delete"})


async def test_second_enrichment_adds_to_the_record_of_the_first_and_replaces_its_values(
    client: RegistryClient, confluent: Confluent
) -> None:
    event = await confluent.avro(record(typed("text", "string")), {"text": "a"})
    first = await enrich(client, event)
    members = MEMBERS | {("ai", "language"): {"type": "string"}}
    values = {("ai", "summary"): "New.", ("ai", "language"): "pt"}
    second = await enrich(client, FakeRecord(first.value), members, values)
    assert await confluent.read_avro(second.value) == {
        "text": "a",
        "ai": WRITTEN | {"summary": "New.", "language": "pt"},
    }


async def test_record_of_the_first_enrichment_that_is_null_is_created_by_the_second(
    client: RegistryClient, confluent: Confluent
) -> None:
    event = await confluent.avro(record(typed("text", "string")), {"text": "a"})
    both = MEMBERS | {("more",): {"type": "string"}}
    first = await enrich(client, event, both, {("more",): "m"})
    second = await enrich(client, FakeRecord(first.value), {("ai", "n"): {"type": "integer"}}, {("ai", "n"): 2**62})
    assert await confluent.read_avro(second.value) == {
        "text": "a",
        "more": "m",
        "ai": {"summary": None, "mood": None, "n": 2**62},
    }


async def test_value_without_a_simple_type_becomes_json_text(client: RegistryClient, confluent: Confluent) -> None:
    event = await confluent.avro(record(typed("text", "string")), {"text": "a"})
    encoded = await enrich(client, event, {("ai",): None}, {("ai",): {"x": [1, None]}})
    assert await confluent.read_avro(encoded.value) == {"text": "a", "ai": '{"x":[1,null]}'}


async def test_field_of_another_type_is_refused_before_an_event_is_written(
    client: RegistryClient, confluent: Confluent, server: RegistryServer
) -> None:
    event = await confluent.avro(record(typed("ai", "int")), {"ai": 1})
    with pytest.raises(MemberRefused, match="ai is of another type"):
        await enrich(client, event)
    with pytest.raises(MemberRefused, match="'a-b' is no name of an Avro field"):
        await enrich(client, event, {("a-b",): None})
    assert "enriched-value" not in server.store.subjects


async def test_record_that_contains_itself_is_read_and_extended(client: RegistryClient, confluent: Confluent) -> None:
    schema = record(typed("text", "string"), typed("next", ["null", "com.shop.Review"]))
    data = {"text": "a", "next": {"text": "b", "next": None}}
    event = await confluent.avro(schema, data)
    encoded = await enrich(client, event, {("mood",): {"type": "string"}}, {("mood",): "good"})
    assert await confluent.read_avro(encoded.value) == {
        "text": "a",
        "next": {"text": "b", "next": None, "mood": None},
        "mood": "good",
    }


async def test_blocks_with_their_size_are_read_and_written(client: RegistryClient, confluent: Confluent) -> None:
    event = await confluent.avro(ENVELOPE, CHANGE | {"before": None, "after": None, "history": [ROW_1], "by_name": {}})
    assert event.value is not None
    body = event.value[5:]
    assert body[2:4] == b"\x02\x02"
    # The same block of one item, with a negative count and the size of 6 bytes.
    event = FakeRecord(event.value[:5] + body[:2] + b"\x01\x0c" + body[3:])
    assert (await decode(client, event))["history"] == [ROW_1]
    members = {("before", "mood"): {"type": "string"}, ("x",): {"type": "string"}}
    encoded = await enrich(client, event, members, {("x",): "y"})
    assert (await confluent.read_avro(encoded.value))["history"] == [ROW_1 | {"mood": None}]
    # The size would be wrong now, so the block is written without it.
    assert encoded.value[7:8] == b"\x02"


_SCALARS = {
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(width=32, allow_nan=False),
    "double": st.floats(allow_nan=False),
    "bytes": st.binary(max_size=5),
    "string": st.text(st.characters(codec="utf-8"), max_size=5),
}
Typed = tuple[Any, Any]
"""An Avro type and a value of it."""


def _scalars() -> st.SearchStrategy[Typed]:
    pairs = [st.tuples(st.just(kind), values) for kind, values in _SCALARS.items()]
    union = st.sampled_from(list(_SCALARS)).flatmap(
        lambda kind: st.tuples(st.just(["null", *_SCALARS]), st.tuples(st.just(kind), _SCALARS[kind]))
    )
    return st.one_of(*pairs, union)


def _containers(inner: st.SearchStrategy[Typed]) -> st.SearchStrategy[Typed]:
    return st.one_of(
        inner.map(lambda pair: ({"type": "array", "items": pair[0]}, [pair[1], pair[1]])),
        inner.map(lambda pair: ({"type": "map", "values": pair[0]}, {"k": pair[1]})),
        st.lists(inner, max_size=3).map(_as_record),
    )


def _as_record(fields: list[Typed]) -> Typed:
    kinds = [typed(f"f{number}", kind) for number, (kind, _) in enumerate(fields)]
    return (
        {"type": "record", "name": "?", "fields": [typed("id", "int"), *kinds]},
        {"id": 1} | {f"f{number}": value for number, (_, value) in enumerate(fields)},
    )


def _with_names(text: str) -> Any:
    """Return a schema whose records have names of their own."""
    for number in range(text.count('"?"')):
        text = text.replace('"?"', f'"R{number}"', 1)
    return json.loads(text)


@given(st.lists(st.recursive(_scalars(), _containers, max_leaves=6), min_size=1, max_size=4).map(_as_record))
def test_any_event_keeps_its_values_and_its_document_when_members_are_added(event: Typed) -> None:
    schema, value = _with_names(json.dumps(event[0])), event[1]
    encoded = io.BytesIO()
    fastavro.schemaless_writer(encoded, fastavro.parse_schema(schema), value)
    frame = Frame(1, b"\x00\x00\x00\x00\x01" + encoded.getvalue(), None, 5)
    codec = AvroCodec(FetchedSchema(SchemaText("AVRO", json.dumps(schema))))
    extension = codec.extend(frame, member_types(MEMBERS))
    written = extension.encode(frame, VALUES)
    plain = fastavro.schemaless_reader(io.BytesIO(encoded.getvalue()), fastavro.parse_schema(schema), None)
    extended = fastavro.parse_schema(json.loads(extension.schema.text))
    assert fastavro.schemaless_reader(io.BytesIO(written), extended, None) == plain | {"ai": WRITTEN}
    again = AvroCodec(FetchedSchema(extension.schema)).decode(Frame(1, written, None, 0))
    assert again == codec.decode(frame) | {"ai": WRITTEN}
