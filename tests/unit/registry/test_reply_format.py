import json
from typing import Any

import pytest

from carteiro.registry.client import RegistryClient
from carteiro.registry.errors import RegistryUnavailable
from carteiro.registry.event_format import Schemas, read_request
from carteiro.registry.registered_schema import SchemaType
from carteiro.registry.reply_format import ReplyFormat, reply_members
from carteiro.registry.subjects import SubjectStrategy
from tests.registry_server import RegistryServer
from tests.unit.registry.confluent import Confluent
from tests.unit.wire.fake_record import FakeRecord

STATUS = {"enum": ["ok", "error"]}
RESULT = {"type": "object", "properties": {"summary": {"type": "string"}}}
OK = {"properties": {"status": {"const": "ok"}, "result": {"$ref": "#/$defs/Result"}}, "$defs": {"Result": RESULT}}
ERROR = {
    "properties": {
        "status": {"const": "error"},
        "error": {"type": "object", "properties": {"code": {"type": "string"}, "retryable": {"type": "boolean"}}},
    }
}
REPLIES: list[dict[str, Any]] = [
    {"status": "ok", "result": {"summary": "Fine."}},
    {"status": "error", "error": {"code": "expired", "retryable": False}},
]


def make_format(client: RegistryClient, kind: SchemaType) -> ReplyFormat:
    return ReplyFormat(client, SubjectStrategy.TOPIC, "replies", kind, "SummarizeReply", reply_members(OK, ERROR))


@pytest.mark.parametrize("kind", ["AVRO", "JSON", "PROTOBUF"])
@pytest.mark.parametrize("reply", REPLIES, ids=["ok", "error"])
async def test_reply_is_written_with_the_id_of_its_schema(
    client: RegistryClient, server: RegistryServer, kind: SchemaType, reply: dict[str, Any]
) -> None:
    replies = make_format(client, kind)
    value = await replies.encode(reply)
    assert await replies.encode(reply) == value
    assert json.loads(await read_request(FakeRecord(value), Schemas(client)) or b"") == reply
    assert sum("POST" in each for each in server.requests) == 1


async def test_confluent_reads_an_avro_reply(client: RegistryClient, confluent: Confluent) -> None:
    value = await make_format(client, "AVRO").encode(REPLIES[0])
    assert await confluent.read_avro(value) == REPLIES[0] | {"error": None}


async def test_reply_is_not_lost_while_the_registry_is_away(client: RegistryClient, server: RegistryServer) -> None:
    replies = make_format(client, "AVRO")
    server.fault = 503
    with pytest.raises(RegistryUnavailable):
        await replies.encode(REPLIES[0])
    server.fault = 0
    assert await replies.encode(REPLIES[0])


def test_member_of_two_types_has_no_known_type() -> None:
    members = reply_members({"properties": {"x": {"type": "string"}}}, {"properties": {"x": {"type": "integer"}}})
    assert members == {"x": None}
