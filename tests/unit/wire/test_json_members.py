import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.wire.json_members import Members, NotAnObject, NotJson, append_members, to_json, write_members

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)
OBJECTS = st.dictionaries(st.text(max_size=4), VALUES, max_size=5)


def members(**values: Any) -> Members:
    built = Members()
    for name, value in values.items():
        built.put(tuple(name.split("__")), to_json(value))
    return built


def test_rest_of_the_text_is_kept_to_the_letter() -> None:
    text = '{ "id" : 12345678901234567890.10e400,\n\t"b":"\\u00e9\\/",  "b": 1.0 }\n'
    assert write_members(text, members(ai__label="good")) == text.replace(" }", ' ,"ai":{"label":"good"}}')


def test_member_that_is_there_keeps_its_place() -> None:
    assert write_members('{"a": 1, "ai": {"x": 2}, "b": 3}', members(a=[1], ai__y="z")) == (
        '{"a": [1], "ai": {"x": 2,"y":"z"}, "b": 3}'
    )


def test_empty_object_gets_its_first_member_without_a_comma() -> None:
    assert write_members(" {} ", members(a=None)) == ' {"a":null} '


@pytest.mark.parametrize(("text", "path"), [("[1]", ()), ('{"ai": 3}', ("ai",)), ('{"ai": null}', ("ai",)), ("", ())])
def test_value_that_is_no_object_is_named(text: str, path: tuple[str, ...]) -> None:
    with pytest.raises(NotAnObject) as refused:
        write_members(text, members(ai__label="good"))
    assert refused.value.path == path


def test_half_of_a_surrogate_pair_is_escaped() -> None:
    assert write_members("{}", members(a="\ud800")) == '{"a":"\\ud800"}'


def test_member_with_an_escaped_name_is_found() -> None:
    assert write_members('{"\\u0061": 1}', members(a=2)) == '{"\\u0061": 2}'


def test_number_of_any_length_is_kept() -> None:
    text = '{"n": %s}' % ("9" * 5000)
    assert write_members(text, members(a=1)) == text.replace("}", ',"a":1}')


def test_member_that_is_there_twice_is_replaced_twice() -> None:
    assert write_members('{"a": 1, "a": 2}', members(a=3)) == '{"a": 3, "a": 3}'


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], object(), {"a": {1, 2}}])
def test_value_without_json_text_is_refused(value: Any) -> None:
    with pytest.raises(NotJson):
        to_json(value)


@given(OBJECTS, OBJECTS, st.sampled_from([None, 1]), st.booleans())
def test_result_is_the_object_with_the_members(
    document: dict[str, Any], added: dict[str, Any], indent: int | None, ascii_only: bool
) -> None:
    built = Members()
    for name, value in added.items():
        built.put((name,), to_json(value))
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only)
    assert json.loads(write_members(text, built)) == document | added
    assert list(json.loads(write_members(text, built))) == list(document | added)


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=4), VALUES, OBJECTS)
def test_nested_member_is_found_again(path: list[str], value: Any, document: dict[str, Any]) -> None:
    built = Members()
    built.put(tuple(path), to_json(value))
    document = {name: each for name, each in document.items() if name not in "abc"}
    found = json.loads(write_members(json.dumps(document), built))
    for name in path:
        found = found[name]
    assert found == value


@given(OBJECTS, OBJECTS, st.sampled_from([None, 1]))
def test_appended_members_are_the_same_as_written_ones(
    document: dict[str, Any], added: dict[str, Any], indent: int | None
) -> None:
    built = Members()
    for name in added.keys() - document.keys():
        built.put((name, "inner"), to_json(added[name]))
    text = f" {json.dumps(document, indent=indent)}\n"
    if built:
        assert append_members(text, built, is_first=not document) == write_members(text, built)
