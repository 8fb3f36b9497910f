"""Extraction by a model that finds answers: one question for each field."""

import asyncio
from collections.abc import Iterator, Mapping
from functools import reduce
from operator import add
from typing import Any

from carteiro.models.errors import Unsupported
from carteiro.models.interface import QuestionAnsweringModel
from carteiro.models.results import ExtractedAnswer
from carteiro.schemas import Usage
from carteiro.text.grounding import find_numerals
from services.extract.grounding import GroundedValue

_KINDS = frozenset({"string", "integer", "number"})


async def extract_by_questions(
    model: QuestionAnsweringModel, schema: Mapping[str, Any], text: str
) -> tuple[dict[str, Any], Usage]:
    """Return the grounded answers, in the form of the schema; a field without an answer is left out, or null.

    Raise `Unsupported` for a schema with other fields than texts, numbers and objects of them.
    """
    fields = list(_fields(model.name, schema, ()))
    answers = await asyncio.gather(*(model.find_answer(_question(path, field), text) for path, field in fields))
    data: dict[str, Any] = {}
    for (path, field), answer in zip(fields, answers, strict=True):
        value = _value(answer, field, text)
        node = reduce(lambda inner, name: inner.setdefault(name, {}), path[:-1], data)
        if value is not None or "null" in _kinds(field):
            node[path[-1]] = value
    return data, reduce(add, (answer.usage for answer in answers), Usage())


def _fields(name: str, schema: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    properties = schema.get("properties")
    for field, each in (properties if isinstance(properties, Mapping) else {}).items():
        kinds = _kinds(each) - {"null"}
        if kinds == {"object"}:
            yield from _fields(name, each, (*path, field))
        elif len(kinds) == 1 and kinds <= _KINDS:
            yield (*path, field), each
        else:
            unknown = ".".join((*path, field))
            raise Unsupported(f"{name} finds only texts and numbers, not {unknown!r}: set a model that chats")


def _kinds(field: Any) -> set[Any]:
    kinds = field.get("type") if isinstance(field, Mapping) else None
    return set(kinds) if isinstance(kinds, list) else {kinds}


def _question(path: tuple[str, ...], field: Mapping[str, Any]) -> str:
    return f"What is the {field.get('description') or ' '.join(path).replace('_', ' ')}?"


def _value(answer: ExtractedAnswer, field: Mapping[str, Any], text: str) -> GroundedValue | None:
    if answer.start is None or answer.end is None:
        return None
    if "string" in _kinds(field):
        return GroundedValue(text[answer.start : answer.end], (answer.start, answer.end))
    found = next(iter(find_numerals(text[answer.start : answer.end])), None)
    if found is None or ("integer" in _kinds(field) and not found[0].is_integer()):
        return None
    number, start, end = found
    value = int(number) if number.is_integer() else number
    return GroundedValue(value, (answer.start + start, answer.start + end))
