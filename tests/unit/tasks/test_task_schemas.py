import pytest

from carteiro.registry.connection import open_registry
from carteiro.registry.framing import RecordFormat
from carteiro.registry.settings import RegistrySettings
from carteiro.schemas import REQUESTS
from carteiro.tasks.task_schemas import reply_schemas, task_format
from carteiro.wire.topics import Topics
from tests.registry_server import RegistryServer


@pytest.mark.parametrize(("task", "streams"), [("generate", True), ("sentiment", False)])
def test_only_a_task_that_streams_has_chunks(task: str, streams: bool) -> None:
    members = {name for schema in reply_schemas(REQUESTS[task]) for name in schema["properties"]}
    assert {"status", "result", "error", "usage"} < members
    assert ("attempt" in members) == streams


async def test_schema_of_replies_is_registered_for_the_task_s_own_topic() -> None:
    async with RegistryServer() as server:
        registry = open_registry(RegistrySettings(url=server.url))
        replies = task_format(REQUESTS["chat"], registry, Topics("shop"))
        await replies.reply_encoder(RecordFormat("AVRO", id_in_header=False))
        await registry.close()
    (schema,) = server.store.subjects["shop.chat.replies-value"].values()
    assert '"name": "ChatReply"' in schema.text or '"name":"ChatReply"' in schema.text
