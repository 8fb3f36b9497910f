"""Pydantic's errors in our own words."""

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from carteiro.schemas import REQUESTS, FieldError
from carteiro.schemas.chat import ChatRequest
from carteiro.schemas.field_errors import explain, field_errors
from carteiro.schemas.generate import GenerateRequest


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ({}, "prompt: is missing"),
        ({"prompt": " "}, "prompt: must not be blank"),
        ({"prompt": 5}, "prompt: must be a text"),
        ({"prompt": None}, "prompt: must be a text, not null"),
        ({"prompt": "x", "stop": 5}, "stop: must be a list"),
        ({"prompt": "x", "more": 1}, "more: is not a field of this request"),
        ({"prompt": "x", "options": {"temperature": 9}}, "options.temperature: must be at most 2"),
        ({"prompt": "x", "options": {"wait": "soon"}}, "options.wait: must be a number and s, m, h or d, such as 90s"),
    ],
)
def test_error_names_the_field_and_never_its_value(body: dict[str, Any], line: str) -> None:
    with pytest.raises(ValidationError) as caught:
        GenerateRequest.model_validate(body)
    assert explain(field_errors(caught.value)).startswith(line)


def test_unknown_field_names_its_document() -> None:
    with pytest.raises(ValidationError) as caught:
        GenerateRequest.model_validate({"prompt": "x", "more": 1})
    assert explain(field_errors(caught.value, document="an order")) == "more: is not a field of an order"


def test_document_itself_has_a_name_and_errors_have_a_limit() -> None:
    with pytest.raises(ValidationError) as caught:
        GenerateRequest.model_validate_json("[]")
    assert [each.field for each in field_errors(caught.value, root="reply")] == ["reply"]
    with pytest.raises(ValidationError) as caught:
        ChatRequest.model_validate({"messages": [], "more": 1, "and": 2})
    assert len(field_errors(caught.value, limit=1)) == 1


def test_errors_are_one_line() -> None:
    fields = [FieldError(field="a", reason="is missing"), FieldError(field="b", reason="is blank")]
    assert explain(fields) == "a: is missing; b: is blank"


HOSTILE: list[Any] = [None, True, -1, 10**400, 1.5, "", " ", "\0", [], [1], [None], [[]], [""], [{}], {}, {"a": 1}]
HOSTILE += [{"": ""}, {"uri": 1}, {"uri": "x", "z": 1}, {"name": 1}, {"$ref": "#"}]


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    for step, each in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from places(each, (*path, step))


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = {"root": copy.deepcopy(document)}
    node: Any = changed
    for step in ("root", *path)[:-1]:
        node = node[step]
    node[("root", *path)[-1]] = value
    return changed["root"]


def documents(task: str) -> Iterator[dict[str, Any]]:
    settings: Any = REQUESTS[task].model_config["json_schema_extra"]
    options = {"stop": ["x"], "top_p": 0.5, "service_tier": "flex", "wait": "1h"}
    yield from settings["examples"]
    yield settings["examples"][0] | {"options": options}
    if "collection" in REQUESTS[task].model_fields:
        yield settings["examples"][0] | {"collection": "c", "filter": {"a": ["b"]}, "top_k": 3}


@pytest.mark.parametrize("task", REQUESTS)
def test_no_wrong_value_in_any_field_shows_the_librarys_words(task: str) -> None:
    known = set(re.findall(r'"(\w+)":', json.dumps(REQUESTS[task].model_json_schema()))) | {"value"}
    for document in documents(task):
        for path in places(document):
            for value in HOSTILE:
                wrong = json.dumps(replaced(document, path, value))
                try:
                    REQUESTS[task].model_validate_json(wrong)
                except ValidationError as error:
                    for field, reason in ((each.field, each.reason) for each in field_errors(error, root="value")):
                        names = {step for step in field.split(".") if not step.isdecimal()}
                        assert names <= known | set(re.findall(r'"([^"]*)":', wrong)), field
                        assert not re.search("is not valid$|Input|should", reason), reason
