import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.models.schema_limits import SchemaTooLarge, check_limits


def doubling(steps: int, name: str = "$ref", prefix: str = "#/$defs/") -> dict[str, Any]:
    """Return definitions, each of which refers twice to the one before."""
    definitions: dict[str, Any] = {"a0": {"type": "string", "$anchor": "a0"}}
    for step in range(1, steps + 1):
        before = {name: f"{prefix}a{step - 1}"}
        definitions[f"a{step}"] = {
            "$anchor": f"a{step}",
            "type": "object",
            "properties": {"x": before, "y": {**before}},
        }
    return {"type": "object", "properties": {"top": {name: f"{prefix}a{steps}"}}, "$defs": definitions}


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"x": schema}}
    return schema


def patterns(count: int, length: int) -> dict[str, Any]:
    return {"type": "object", "properties": {f"p{number}": {"pattern": "a" * length} for number in range(count)}}


@pytest.mark.parametrize(
    "schema",
    [
        doubling(30),
        doubling(30, "$dynamicRef", "#"),
        doubling(30, prefix="#"),
        doubling(200),
        nested(40),
        nested(3000),
        patterns(1, 1001),
        patterns(100, 100),
        {"type": "object", "patternProperties": {"a" * 2000: {}}},
        {"type": "object", "enum": ["x" * 100_000]},
        {"type": "object", "maximum": float("nan")},
        {"type": "object", "anyOf": [[]] * 11_000},
        {
            "type": "object",
            "properties": {str(number): {"$ref": "#/$defs/a"} for number in range(200)},
            "$defs": {"a": {"properties": {str(number): {} for number in range(100)}}},
        },
    ],
    ids=[
        "doubling",
        "dynamic",
        "anchors",
        "long chain",
        "deep",
        "deeper",
        "long pattern",
        "patterns",
        "property pattern",
        "long",
        "no number",
        "wide",
        "product",
    ],
)
def test_schema_beyond_the_limits_is_rejected_and_not_quoted(schema: dict[str, Any]) -> None:
    with pytest.raises(SchemaTooLarge) as caught:
        check_limits(schema)
    assert len(str(caught.value)) < 100


TREE = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#"}}},
}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        TREE,
        doubling(8),
        nested(25),
        patterns(8, 1000),
        {"type": "object", "properties": {"x": {"$ref": "#/$defs/no/such"}, "y": {"$ref": "http://elsewhere/x"}}},
        {"type": "object", "properties": {"$ref": {"type": "string"}, "pattern": {"type": "string"}}},
        {"type": "object", "maxProperties": 10**400},
        {"type": "object", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
    ],
    ids=["least", "recursive", "doubling", "nested", "patterns", "elsewhere", "names", "large number", "circle"],
)
def test_schema_within_the_limits_passes(schema: dict[str, Any]) -> None:
    check_limits(schema)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["#", "#/$defs/a", "#/x~1y", "object"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["$ref", "$defs", "a", "pattern", "items"]), inner),
)


@given(st.dictionaries(st.sampled_from(["$ref", "$defs", "a", "properties"]), JSON))
def test_no_schema_raises_anything_else(schema: dict[str, Any]) -> None:
    with contextlib.suppress(SchemaTooLarge):
        check_limits(schema)
