"""Confluent's own serializers and deserializers, which write the tests' events and read the results."""

from typing import Any

from confluent_kafka.schema_registry import (
    AsyncSchemaRegistryClient,
    Schema,
    header_schema_id_serializer,
)
from confluent_kafka.schema_registry.avro import AsyncAvroDeserializer, AsyncAvroSerializer
from confluent_kafka.schema_registry.json_schema import AsyncJSONDeserializer, AsyncJSONSerializer
from confluent_kafka.schema_registry.protobuf import AsyncProtobufDeserializer, AsyncProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from tests.registry_server import RegistryServer
from tests.unit.wire.fake_record import FakeRecord


class Confluent:
    """Serializers for the topic `reviews` and deserializers for the topic `enriched`."""

    def __init__(self, server: RegistryServer, *, in_header: bool = False) -> None:
        self.client = AsyncSchemaRegistryClient({"url": server.url})
        self._in_header = in_header

    async def close(self) -> None:
        await self.client.aclose()

    async def avro(self, schema: str | Schema, event: Any) -> FakeRecord:
        return await self._record(await AsyncAvroSerializer(self.client, schema, conf=self._conf()), event)

    async def json(self, schema: str | Schema, event: Any) -> FakeRecord:
        return await self._record(await AsyncJSONSerializer(schema, self.client, conf=self._conf()), event)

    async def protobuf(self, event: Any) -> FakeRecord:
        return await self._record(await AsyncProtobufSerializer(type(event), self.client, conf=self._conf()), event)

    async def read_avro(self, value: bytes, headers: Any = ()) -> Any:
        return await (await AsyncAvroDeserializer(self.client))(value, _context(headers))

    async def read_json(self, value: bytes, schema: str, headers: Any = ()) -> Any:
        return await (await AsyncJSONDeserializer(schema, None, self.client))(value, _context(headers))

    async def read_protobuf(self, value: bytes, message: Any, headers: Any = ()) -> Any:
        return await (await AsyncProtobufDeserializer(message, {}, self.client))(value, _context(headers))

    def _conf(self) -> dict[str, Any]:
        return {"schema.id.serializer": header_schema_id_serializer} if self._in_header else {}

    async def _record(self, serialize: Any, event: Any) -> FakeRecord:
        context = SerializationContext("reviews", MessageField.VALUE, [])
        value = await serialize(event, context)
        return FakeRecord(value, tuple(context.headers), topic="reviews")


def _context(headers: Any) -> SerializationContext:
    return SerializationContext("enriched", MessageField.VALUE, list(headers))
