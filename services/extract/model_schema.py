"""The JSON Schemas that models are asked to follow, made from the caller's."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from carteiro.text.grounding import find_numerals

_QUOTES = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"path": {"type": "string"}, "quote": {"type": "string"}},
        "required": ["path", "quote"],
        "additionalProperties": False,
    },
}
_SHARED = ("$defs", "definitions")
_MOVED_REFERENCE = re.compile(rf"#(?!/(?:{'|'.join(map(re.escape, _SHARED))})/)(?=/|$)")
"""Reference to a part of the caller's schema that is moved. An anchor (`#name`) moves with its part."""
_SCHEMAS = frozenset(
    "items contains additionalProperties propertyNames unevaluatedItems unevaluatedProperties not if then else".split()
)
_SCHEMA_LISTS = frozenset(("allOf", "anyOf", "oneOf", "prefixItems"))
_SCHEMA_MAPS = frozenset(("properties", "patternProperties", "dependentSchemas", *_SHARED))
"""Keywords whose values are schemas, lists of them, or schemas by names. All others hold data of any form."""
_MAX_SPAN_WORDS = 6
_MAX_ITEMS = 5
"""Maximum number of items of a list from a small model, which otherwise repeats them."""
_FREE_TEXT_KEYWORDS = {"type", "title", "description", "examples", "default"}
_MORE_PROPERTIES = {
    *("additionalProperties", "unevaluatedProperties", "patternProperties"),
    *("$ref", "allOf", "anyOf", "oneOf", "if", "dependentSchemas"),
}
"""Keywords that may describe other properties than `properties`."""
_PHRASE_END = re.compile(r"[.!?;:,]\s*$")
_WORD = re.compile(r"\S+")
_MARKS = ".,;:!?()[]\"'“”«»"


def with_quotes(schema: Mapping[str, Any], *, is_part: bool) -> dict[str, Any]:
    """Return the schema of the data with a quotation for each value. In a part of a text, each field may be null."""
    data = {name: each for name, each in schema.items() if name not in (*_SHARED, "$schema", "$id")}
    return {
        "type": "object",
        "properties": {"data": _moved(data, is_part), "quotes": _QUOTES},
        "required": ["data", "quotes"],
        "additionalProperties": False,
        **_moved({name: schema[name] for name in _SHARED if name in schema}, is_part),
    }


def _with_subschemas(node: Mapping[str, Any], change: Callable[[Any], Any]) -> dict[str, Any]:
    """Return a schema with `change` applied to the schemas directly inside it."""
    changed = dict(node)
    for name, each in node.items():
        if name in _SCHEMAS:
            changed[name] = change(each)
        elif name in _SCHEMA_LISTS and isinstance(each, list):
            changed[name] = [change(inner) for inner in each]
        elif name in _SCHEMA_MAPS and isinstance(each, dict):
            changed[name] = {key: change(inner) for key, inner in each.items()}
    return changed


def _moved(node: Any, is_part: bool) -> Any:
    """Return a schema whose references to the caller's root lead to `data`."""
    if not isinstance(node, dict):
        return node
    moved = _with_subschemas(node, lambda inner: _moved(inner, is_part))
    reference, required, properties = moved.get("$ref"), moved.get("required"), moved.get("properties")
    if isinstance(reference, str) and _MOVED_REFERENCE.match(reference):
        moved["$ref"] = f"#/properties/data{reference[1:]}"
    if is_part and isinstance(required, list) and isinstance(properties, dict):
        moved["properties"] = properties | {
            name: {"anyOf": [properties[name], {"type": "null"}]} for name in required if name in properties
        }
    return moved


def copied_from(schema: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Return the schema with a choice among the phrases and numbers of a text in place of free texts and numbers.

    Objects have no other fields than their own, unless the schema describes others: a small model invents some.
    """
    numbers = sorted({value for value, *_ in find_numerals(text)})
    return _closed(_copied(schema, list(dict.fromkeys(_phrases(text))), numbers))  # type: ignore[no-any-return]


def _closed(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    closed = dict(node)
    if isinstance(properties := node.get("properties"), dict):
        closed["properties"] = {name: _closed(each) for name, each in properties.items()}
        if not _MORE_PROPERTIES & node.keys() and set(node.get("required", ())) <= properties.keys():
            closed["additionalProperties"] = False
    if "items" in node:
        closed["items"] = _closed(node["items"])
    return closed


def _copied(node: Any, phrases: list[str], numbers: list[float]) -> Any:
    if not isinstance(node, dict):
        return node
    kinds = node.get("type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    plain = set(node) <= _FREE_TEXT_KEYWORDS and len(set(kinds) - {"null"}) == 1
    if plain and "string" in kinds:
        return _choice(phrases, kinds) or node
    if plain and {"integer", "number"} & set(kinds):
        whole = [int(each) for each in numbers if each.is_integer()]
        found = whole if "integer" in kinds else [int(each) if each.is_integer() else each for each in numbers]
        return _choice(found, kinds) or node
    copied = _with_subschemas(node, lambda inner: _copied(inner, phrases, numbers))
    if "array" in kinds:
        copied["maxItems"] = min(copied.get("maxItems", _MAX_ITEMS), _MAX_ITEMS)
    return copied


def _choice(values: list[Any], kinds: list[Any]) -> dict[str, Any] | None:
    return {"enum": [*values, *([None] if "null" in kinds else [])]} if values else None


def _phrases(text: str) -> Iterator[str]:
    """Yield the phrases of up to six words that contain no punctuation mark at the end of an inner word."""
    words = [each.span() for each in _WORD.finditer(text)]
    for first, (start, _) in enumerate(words):
        for _, end in words[first : first + _MAX_SPAN_WORDS]:
            if phrase := text[start:end].strip(_MARKS):
                yield phrase
            if _PHRASE_END.search(text[start:end]) or text[end : end + 1] == "\n":
                break


def constants(schema: Any) -> set[str]:
    """Return all texts that the schema names as values: they need not stand in a text to follow from it."""
    if isinstance(schema, list):
        return set().union(*map(constants, schema))
    if not isinstance(schema, dict):
        return set()
    own = [each for each in (*_listed(schema.get("enum")), schema.get("const")) if isinstance(each, str)]
    return set(own).union(*map(constants, schema.values()))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
