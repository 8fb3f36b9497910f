"""Avro events of the tests, and what the tests do with them."""

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from carteiro.registry.client import RegistryClient
from carteiro.registry.event_format import RegistryFormat, Schemas
from carteiro.registry.subjects import SubjectStrategy
from carteiro.wire.event_format import EncodedEvent
from tests.unit.wire.fake_record import FakeRecord

LABEL = {"type": "object", "properties": {"label": {"enum": ["good", "bad"]}, "score": {"type": "number"}}}
MEMBERS = {("ai", "summary"): {"type": "string"}, ("ai", "mood"): LABEL}
VALUES = {("ai", "summary"): "Fine.", ("ai", "mood"): {"label": "good", "score": 0.5}}
WRITTEN = {"summary": "Fine.", "mood": {"label": "good", "score": 0.5}}


def record(*fields: Any, name: str = "com.shop.Review") -> str:
    return json.dumps({"type": "record", "name": name, "fields": list(fields)})


def typed(name: str, kind: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind} | more


def logical(kind: str, logical_type: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "logicalType": logical_type} | more


ALL_TYPES = record(
    typed("text", "string"),
    typed("n", "long"),
    typed("small", "int"),
    typed("f", "float"),
    typed("d", "double"),
    typed("yes", "boolean"),
    typed("raw", "bytes"),
    typed("nothing", "null"),
    typed("price", logical("bytes", "decimal", precision=40, scale=10)),
    typed("fee", logical("fixed", "decimal", precision=20, scale=2, name="Fee", size=16)),
    typed("at", logical("long", "timestamp-micros")),
    typed("at_ms", logical("long", "timestamp-millis")),
    typed("local", logical("long", "local-timestamp-millis")),
    typed("day", logical("int", "date")),
    typed("clock", logical("long", "time-micros")),
    typed("id", logical("string", "uuid")),
    typed("color", {"type": "enum", "name": "Color", "symbols": ["RED", "BLUE"]}),
    typed("tags", {"type": "array", "items": "string"}),
    typed("counts", {"type": "map", "values": "long"}),
    typed("either", ["null", "float", "double", "string"]),
    typed("place", {"type": "record", "name": "Place", "fields": [typed("city", ["null", "string"])]}),
    typed("other", ["null", "Place"]),
)
EVENT = {
    "text": "olá",
    "n": -(2**63),
    "small": 2**31 - 1,
    "f": 0.5,
    "d": 0.1,
    "yes": True,
    "raw": b"\x00\xff",
    "nothing": None,
    "price": Decimal("123456789012345678901234567.0123456789"),
    "fee": Decimal("-12.50"),
    "at": datetime(2026, 11, 30, 8, 15, 0, 123456, UTC),
    "at_ms": datetime(2026, 11, 30, 8, 15, 0, 250000, UTC),
    "local": datetime(2026, 11, 30, 8, 15, 0, 250000),
    "day": date(2026, 11, 30),
    "clock": time(8, 15, 0, 5),
    "id": UUID(int=7),
    "color": "BLUE",
    "tags": ["a", "b"],
    "counts": {"x": 2**62},
    "either": ("double", 0.1),
    "place": {"city": "Lisboa"},
    "other": None,
}


async def enrich(client: RegistryClient, event: FakeRecord, members: Any = None, values: Any = None) -> EncodedEvent:
    events = RegistryFormat(client, Schemas(client), SubjectStrategy.TOPIC, "enriched", members or MEMBERS)
    decoded = await events.decode(event)
    await decoded.prepare()
    return decoded.encode(values or VALUES)


async def decode(client: RegistryClient, event: FakeRecord) -> dict[str, Any]:
    events = RegistryFormat(client, Schemas(client), SubjectStrategy.TOPIC, "enriched", MEMBERS)
    return (await events.decode(event)).document
