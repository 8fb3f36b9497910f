"""The benchmark's event, 1 KB of JSON, its Avro schema, and the enrichments of it."""

import json
from typing import Any

from benchmarks.delivery.traffic import RecordKind

TEXT = (
    "The parcel came two days early, and the book was packed well. One corner of its cover is bent, but the shop "
    "answered at once and offered a discount. I would order here again."
)


def event(number: int) -> dict[str, Any]:
    """Return one event."""
    return {
        "id": number,
        "lang": "en",
        "created": "2026-11-30T08:15:00.250Z",
        "shop": {"name": "Livraria do Cais", "city": "Lisboa", "open": True},
        "customer": {"id": 99, "name": "Ana Maria", "email": "ana@example.com", "tags": ["regular", "newsletter"]},
        "lines": [
            {"sku": f"BOOK-{each}", "title": f"A history of lighthouses, volume {each}", "price": 19.9, "quantity": 1}
            for each in range(1, 6)
        ],
        "rating": 4,
        "verified": True,
        "reply": None,
        "body": {"title": "Came early", "text": TEXT},
    }


EVENTS = RecordKind(lambda number: json.dumps(event(number)).encode(), lambda value: b'"ai":{"reply":' in value)

ONE_STEP = """\
name: bench
from: {source}
to: {target}
when: "lang == 'en' && length(body.text) > `20`"
steps:
  - {{task: generate, request: "{{prompt: body.text}}", into: ai.reply, take: text}}
"""
THREE_STEPS = """\
name: bench
from: {source}
to: {target}
when: "lang == 'en' && length(body.text) > `20`"
steps:
  - {{task: sentiment, request: "{{text: body.text}}", into: ai.sentiment, take: "{{label: label, score: score}}"}}
  - {{task: translate, request: "{{text: body.text, target: 'pt'}}", into: ai.text_pt, take: text}}
  - {{task: summarize, request: "{{text: ai.text_pt, length: 'short'}}", into: ai.summary, take: summary}}
"""


def _record(name: str, *fields: tuple[str, Any]) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": each, "type": kind} for each, kind in fields]}


_STRINGS = {"type": "array", "items": "string"}
_LINE = _record("Line", ("sku", "string"), ("title", "string"), ("price", "double"), ("quantity", "int"))
AVRO_SCHEMA = json.dumps(
    _record(
        "com.shop.Review",
        ("id", "long"),
        ("lang", "string"),
        ("created", "string"),
        ("shop", _record("Shop", ("name", "string"), ("city", "string"), ("open", "boolean"))),
        ("customer", _record("Customer", ("id", "long"), ("name", "string"), ("email", "string"), ("tags", _STRINGS))),
        ("lines", {"type": "array", "items": _LINE}),
        ("rating", "int"),
        ("verified", "boolean"),
        ("reply", ["null", "string"]),
        ("body", _record("Body", ("title", "string"), ("text", "string"))),
    )
)
