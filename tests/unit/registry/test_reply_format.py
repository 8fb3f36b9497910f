import json
from typing import Any

import pytest

from carteiro.registry.client import RegistryClient
from carteiro.registry.derived_schema import object_members
from carteiro.registry.errors import RegistryUnavailable, SchemaRejected
from carteiro.registry.event_format import Schemas
from carteiro.registry.framing import SCHEMA_ID_HEADER
from carteiro.registry.registered_schema import SchemaType
from carteiro.registry.reply_format import ReplyFormat
from carteiro.registry.subjects import SubjectStrategy
from carteiro.registry.task_format import read_request
from carteiro.schemas import ErrorDetail, ErrorReply, OkReply, PartialReply, Timing, Usage
from carteiro.schemas.generate import GenerateRequest, GenerateResult
from carteiro.schemas.reply import ReplySchema
from carteiro.tasks.task_schemas import reply_schemas
from tests.registry_server import RegistryServer
from tests.unit.registry.confluent import Confluent
from tests.unit.wire.fake_record import FakeRecord

OK = OkReply[GenerateResult](
    task="generate",
    request_id="t/0/1",
    result=GenerateResult(text="Olá.", data={"n": [1, None]}),
    model="m",
    usage=Usage(input_tokens=2, cost_usd=0.5),
    timing=Timing(queue_ms=1, work_ms=2),
)
ERROR = ErrorReply(
    task="generate", request_id="t/0/1", error=ErrorDetail(code="expired", message="too late", retryable=False)
)
CHUNK = PartialReply(task="generate", request_id="t/0/1", attempt="a", seq=0, text="Ol")


def make_format(client: RegistryClient, kind: SchemaType) -> ReplyFormat:
    members = object_members(*reply_schemas(GenerateRequest))
    return ReplyFormat(client, SubjectStrategy.TOPIC, "enriched", kind, "GenerateReply", members)


def without_nulls(reply: ReplySchema) -> dict[str, Any]:
    """Return the JSON of a reply as a schema has it: with `data` as JSON text, and without nulls."""
    document = reply.model_dump(mode="json", exclude_none=True)
    if "data" in document.get("result", {}):
        document["result"]["data"] = '{"n":[1,null]}'
    return document


@pytest.mark.parametrize("in_header", [False, True], ids=["before the value", "in a header"])
@pytest.mark.parametrize("kind", ["AVRO", "PROTOBUF"])
@pytest.mark.parametrize("reply", [OK, ERROR, CHUNK], ids=["ok", "error", "chunk"])
async def test_reply_is_written_with_the_id_of_its_schema(
    client: RegistryClient, server: RegistryServer, kind: SchemaType, reply: ReplySchema, in_header: bool
) -> None:
    replies = make_format(client, kind)
    for _ in range(2):
        encoded = (await replies.encoder(id_in_header=in_header)).encode(reply)
    assert [name for name, _ in encoded.headers] == [SCHEMA_ID_HEADER] * in_header
    assert encoded.content_type == f"application/{kind.lower()}".encode()
    request = await read_request(FakeRecord(encoded.value, tuple(encoded.headers)), Schemas(client))
    expected = without_nulls(reply)
    if kind == "PROTOBUF" and "result" in expected:  # It has no absent lists.
        expected["result"] = {"tool_calls": [], "steps": []} | expected["result"]
    assert json.loads(request.value or b"") == expected
    assert sum("POST" in each for each in server.requests) == 1


async def test_reply_with_a_json_schema_is_the_same_json(client: RegistryClient) -> None:
    encoded = (await make_format(client, "JSON").encoder(id_in_header=False)).encode(OK)
    assert json.loads(encoded.value[5:]) == json.loads(OK.model_dump_json())
    assert encoded.content_type == b"application/json"


async def test_confluent_reads_replies(client: RegistryClient, confluent: Confluent, server: RegistryServer) -> None:
    encoded = (await make_format(client, "AVRO").encoder(id_in_header=True)).encode(ERROR)
    read = await confluent.read_avro(encoded.value, encoded.headers)
    assert read["error"] == {"code": "expired", "message": "too late", "retryable": False, "fields": []}
    assert read["result"] is None
    server.store.set_level(None, "NONE")
    encoded = (await make_format(client, "JSON").encoder(id_in_header=False)).encode(OK)
    (_, schema), *_ = reversed(server.store.subjects["enriched-value"].items())
    assert (await confluent.read_json(encoded.value, schema.text))["result"]["data"] == {"n": [1, None]}


async def test_reply_is_not_lost_while_the_registry_is_away(client: RegistryClient, server: RegistryServer) -> None:
    replies = make_format(client, "AVRO")
    server.fault = 503
    with pytest.raises(RegistryUnavailable):
        await replies.encoder(id_in_header=False)
    server.fault = 0
    assert (await replies.encoder(id_in_header=False)).encode(OK).value


async def test_two_formats_of_one_subject_are_refused(client: RegistryClient) -> None:
    await make_format(client, "AVRO").encoder(id_in_header=False)
    with pytest.raises(SchemaRejected, match="subject enriched-value"):
        await make_format(client, "PROTOBUF").encoder(id_in_header=False)
