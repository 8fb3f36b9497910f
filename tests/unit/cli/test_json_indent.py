import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.cli.json_indent import indent_json

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8) | st.just('{[,:]}\\"')
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)


@pytest.mark.parametrize(
    "number", ["19.90", "-0", "-0.0", "1E+2", "1e400", "12345678901234567890.10", "9" * 5000, "NaN"]
)
def test_number_keeps_its_spelling(number: str) -> None:
    assert indent_json(f'{{"n":[{number}]}}') == f'{{\n  "n": [\n    {number}\n  ]\n}}'
    assert indent_json(f" {number} ") == number


def test_member_that_is_there_twice_is_shown_twice() -> None:
    assert indent_json('{"a": 1, "a": {}}') == '{\n  "a": 1,\n  "a": {}\n}'


def test_escape_becomes_its_character() -> None:
    assert indent_json('["Ol\\u00e1 \\"\\/"]') == '[\n  "Olá \\"/"\n]'


@pytest.mark.parametrize("text", ["", "{", "[1,]", '{"a" 1}', "1 2", '"open', "[" * 100_000])
def test_text_that_is_no_json_is_refused(text: str) -> None:
    with pytest.raises((ValueError, RecursionError)):
        indent_json(text)


@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_result_is_what_the_library_writes(value: Any, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert indent_json(text) == json.dumps(value, indent=2, ensure_ascii=False)
