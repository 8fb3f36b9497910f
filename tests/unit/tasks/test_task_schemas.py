import json

import pytest

from carteiro.registry.connection import open_registry
from carteiro.registry.framing import RecordFormat
from carteiro.registry.registered_schema import SCHEMA_TYPES, SchemaType
from carteiro.registry.settings import RegistrySettings
from carteiro.schemas import REQUESTS, Options
from carteiro.schemas.generate import GenerateRequest
from carteiro.tasks.task_schemas import reply_schemas, task_format, task_schemas
from carteiro.wire.topics import Topics
from tests.registry_server import RegistryServer
from tests.unit.registry.confluent import Confluent


@pytest.mark.parametrize(("task", "streams"), [("generate", True), ("sentiment", False)])
def test_only_a_task_that_streams_has_chunks(task: str, streams: bool) -> None:
    members = {name for schema in reply_schemas(REQUESTS[task]) for name in schema["properties"]}
    assert {"status", "result", "stored_result", "error", "usage"} < members
    assert ("attempt" in members) == streams


async def test_schema_of_replies_is_registered_for_the_task_s_own_topic() -> None:
    async with RegistryServer() as server:
        registry = open_registry(RegistrySettings(url=server.url))
        replies = task_format(REQUESTS["chat"], registry, Topics("shop"))
        await replies.reply_encoder(RecordFormat("AVRO", id_in_header=False))
        await registry.close()
    (schema,) = server.store.subjects["shop.chat.replies-value"].values()
    assert '"name": "ChatReply"' in schema.text or '"name":"ChatReply"' in schema.text


@pytest.mark.parametrize("kind", SCHEMA_TYPES)
@pytest.mark.parametrize("task", REQUESTS)
def test_every_task_has_schemas_of_requests_and_replies(kind: SchemaType, task: str) -> None:
    requests, replies = task_schemas(REQUESTS[task], kind, Topics("shop"))
    name = REQUESTS[task].__name__
    assert (requests.topic, requests.record_name) == (f"shop.{task}.requests", f"carteiro.{name}")
    assert (replies.topic, replies.record_name) == (f"shop.{task}.replies", f"carteiro.{name[:-7]}Reply")
    assert {requests.schema.type, replies.schema.type} == {kind}


def test_json_schema_of_requests_is_the_whole_one() -> None:
    requests, _ = task_schemas(REQUESTS["generate"], "JSON", Topics("shop"))
    whole = json.loads(requests.schema.text)
    assert (whole["title"], whole["required"], whole["additionalProperties"]) == (
        "carteiro.GenerateRequest",
        ["prompt"],
        False,
    )


async def test_requests_of_the_registered_schema_are_read() -> None:
    request = GenerateRequest(prompt="Who?", json_schema={"type": "object"}, options=Options(seed=2, temperature=0))
    schema, _ = task_schemas(GenerateRequest, "AVRO", Topics("shop"))
    options = request.options.model_dump()
    event = request.model_dump() | {"json_schema": '{"type": "object"}', "options": options}
    async with RegistryServer() as server:
        registry, writer = open_registry(RegistrySettings(url=server.url)), Confluent(server)
        record = await writer.avro(schema.schema.text, event)
        read = await task_format(GenerateRequest, registry, Topics("shop")).read_request(record)
        await registry.close()
        await writer.close()
    assert GenerateRequest.model_validate_json(read.value or b"") == request
