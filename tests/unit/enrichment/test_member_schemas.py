from pathlib import Path
from typing import Any

import pytest

from carteiro.enrichment.enrichment_file import load_enrichment_file, parse_enrichment
from carteiro.enrichment.member_schemas import member_schemas, result_schemas

EXAMPLES = sorted((Path(__file__).parents[3] / "examples/enrich").glob("*.yaml"))
RESULT = {
    "type": "object",
    "properties": {
        "label": {"$ref": "#/$defs/Label"},
        "text": {"type": "string"},
        "inner": {"$ref": "#/$defs/Inner"},
    },
    "$defs": {
        "Label": {"enum": ["good", "bad"]},
        "Inner": {"type": "object", "properties": {"score": {"type": "number"}}},
    },
}
DEFINITIONS = {"$defs": RESULT["$defs"]}
FILE = """\
from: a
to: b
on_error: {on_error}
steps:
  - {{task: sentiment, request: "{{text: text}}", into: ai.x, take: "{take}"}}
"""


def schemas(take: str, on_error: str = "keep", results: Any = None) -> Any:
    file = parse_enrichment(FILE.format(take=take, on_error=on_error).encode(), "f", "f")
    return member_schemas(file, {"sentiment": RESULT} if results is None else results)


@pytest.mark.parametrize(
    ("take", "schema"),
    [
        ("@", RESULT),
        ("text", {"type": "string"} | DEFINITIONS),
        ("label", {"$ref": "#/$defs/Label"} | DEFINITIONS),
        ("inner.score", {"type": "number"} | DEFINITIONS),
        (
            "{a: text, b: inner.score}",
            {
                "type": "object",
                "properties": {"a": {"type": "string"} | DEFINITIONS, "b": {"type": "number"} | DEFINITIONS},
            }
            | DEFINITIONS,
        ),
        ("missing", None),
        ("text.inner", None),
        ("length(text)", None),
        ("[text, label]", None),
        ("text || label", None),
    ],
)
def test_schema_of_a_member_follows_from_the_expression(take: str, schema: Any) -> None:
    assert schemas(take)[("ai", "x")] == schema


def test_task_whose_result_is_not_known_gives_a_member_of_any_kind() -> None:
    assert schemas("text", results={})[("ai", "x")] is None


def test_errors_are_a_member_only_if_an_event_can_go_on_with_them() -> None:
    assert ("ai", "errors") in schemas("@")
    assert ("ai", "errors") not in schemas("@", on_error="drop")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_members_of_every_example_have_a_known_type(path: Path) -> None:
    assert None not in member_schemas(load_enrichment_file(path), result_schemas()).values()
