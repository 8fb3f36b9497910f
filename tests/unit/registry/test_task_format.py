import contextlib
import json

import pytest

from carteiro.registry.client import RegistryClient
from carteiro.registry.derived_schema import object_members
from carteiro.registry.errors import SchemaUnknown
from carteiro.registry.event_format import Schemas
from carteiro.registry.format_choice import ReplyFormatChoice
from carteiro.registry.framing import RecordFormat
from carteiro.registry.registered_schema import SCHEMA_TYPES, SchemaType
from carteiro.registry.reply_format import RegistryReplyEncoder, ReplyFormat
from carteiro.registry.subjects import SubjectStrategy
from carteiro.registry.task_format import TaskFormat, read_request
from carteiro.wire.event_format import EventUnreadable
from carteiro.wire.record import PARSE_IN_THREAD_BYTES
from carteiro.wire.reply import JSON_REPLIES
from tests.registry_server import RegistryServer
from tests.unit.registry.confluent import Confluent
from tests.unit.wire.fake_record import FakeRecord

AVRO = '{"type":"record","name":"Ask","fields":[{"name":"text","type":"string"},{"name":"o","type":["null","string"]}]}'


def make_format(client: RegistryClient, choice: ReplyFormatChoice) -> TaskFormat:
    members = object_members({"properties": {"status": {"type": "string"}}})
    replies = {
        kind: ReplyFormat(client, SubjectStrategy.TOPIC, f"{kind}-replies", kind, "AskReply", members)
        for kind in SCHEMA_TYPES
    }
    return TaskFormat(Schemas(client), replies, choice)


@pytest.mark.parametrize("in_header", [False, True])
async def test_request_with_a_schema_is_read_as_json(
    client: RegistryClient, server: RegistryServer, in_header: bool
) -> None:
    writer = Confluent(server, in_header=in_header)
    read = await read_request(await writer.avro(AVRO, {"text": "Olá", "o": None}), Schemas(client))
    assert (json.loads(read.value or b""), read.format) == ({"text": "Olá"}, RecordFormat("AVRO", in_header))
    await writer.close()


@pytest.mark.parametrize(
    ("text", "value"),
    [('{"a": 1}', {"a": 1}), ("no JSON", "no JSON"), ("[" * 10**5, "[" * 10**5)],
    ids=["JSON", "no JSON", "too deep"],
)
async def test_json_text_of_a_request_becomes_json(
    client: RegistryClient, confluent: Confluent, text: str, value: object
) -> None:
    record = await confluent.avro(AVRO, {"text": text, "o": text})
    read = await read_request(record, Schemas(client), frozenset({"o", "absent"}))
    assert json.loads(read.value or b"") == {"text": text, "o": value}


async def test_large_request_is_read_in_a_thread(client: RegistryClient, confluent: Confluent) -> None:
    record = await confluent.avro(AVRO, {"text": "x" * PARSE_IN_THREAD_BYTES, "o": None})
    read = await read_request(record, Schemas(client))
    assert len(read.value or b"") > PARSE_IN_THREAD_BYTES


@pytest.mark.parametrize("depth", [400, 100_000])
async def test_json_of_any_depth_is_read_or_unreadable(
    client: RegistryClient, server: RegistryServer, depth: int
) -> None:
    number, _ = server.store.register("deep", {"schema": "{}", "schemaType": "JSON"})
    value = b"\x00" + number.to_bytes(4, "big") + b'{"a":' * depth + b"1" + b"}" * depth
    with contextlib.suppress(EventUnreadable):
        assert (await read_request(FakeRecord(value), Schemas(client))).value


async def test_half_of_a_surrogate_pair_is_refused_later(client: RegistryClient, server: RegistryServer) -> None:
    number, _ = server.store.register("deep", {"schema": "{}", "schemaType": "JSON"})
    value = b"\x00" + number.to_bytes(4, "big") + b'{"a":"\\ud800"}'
    read = await read_request(FakeRecord(value), Schemas(client))
    with pytest.raises(UnicodeDecodeError):
        (read.value or b"").decode()


async def test_request_without_a_schema_id_is_read_as_it_is(client: RegistryClient) -> None:
    for value in (b'{"text": "a"}', None):
        read = await read_request(FakeRecord(value), Schemas(client))
        assert (read.value, read.format) == (value, None)


async def test_request_of_an_unknown_id_is_unreadable(client: RegistryClient) -> None:
    with pytest.raises(SchemaUnknown):
        await read_request(FakeRecord(b"\x00\x00\x00\x00\x63abc"), Schemas(client))


@pytest.mark.parametrize("kind", SCHEMA_TYPES)
async def test_reply_has_the_format_of_its_request(client: RegistryClient, kind: SchemaType) -> None:
    chosen = make_format(client, ReplyFormatChoice.AUTO)
    encoder = await chosen.reply_encoder(RecordFormat(kind, True))
    assert isinstance(encoder, RegistryReplyEncoder)
    assert (encoder.schema.type, encoder.id_in_header) == (kind, True)


async def test_reply_to_json_is_json_and_costs_no_call(client: RegistryClient, server: RegistryServer) -> None:
    assert await make_format(client, ReplyFormatChoice.AUTO).reply_encoder(None) is JSON_REPLIES
    replies = make_format(client, ReplyFormatChoice.JSON)
    assert await replies.reply_encoder(RecordFormat("AVRO", False)) is JSON_REPLIES
    assert not server.requests


@pytest.mark.parametrize("request_format", [None, RecordFormat("JSON", False)])
async def test_format_that_is_set_replaces_that_of_the_request(
    client: RegistryClient, request_format: RecordFormat | None
) -> None:
    encoder = await make_format(client, ReplyFormatChoice.PROTOBUF).reply_encoder(request_format)
    assert isinstance(encoder, RegistryReplyEncoder)
    assert (encoder.schema.type, encoder.id_in_header) == ("PROTOBUF", False)
