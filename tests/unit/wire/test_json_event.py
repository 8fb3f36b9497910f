"""Events of any spelling: what no step wrote is kept."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.wire.event_format import EventUnreadable, MemberRefused, Path
from carteiro.wire.json_event import parse_event

SPACES = st.sampled_from(["", "", " ", "\n\t", "\r\n"])
NAMES = st.sampled_from(['"a"', '"ai"', '"\\u0061i"', '"b"', '"x"', '""', '"é"', '"\\ud800"', '"a b"'])
NUMBERS = ("0", "-0", "-0.0", "1.10", "1E+2", "1e400", "12345678901234567890.123", "9" * 5000, "NaN", "-Infinity")
TEXTS = ('"{"', '"\\"}"', '"\\\\"', '"\x01"', '"\u2028"')
SCALARS = NAMES | st.sampled_from(["true", "null", *NUMBERS, *TEXTS])


def joined(parts: list[str], brackets: str, space: str) -> str:
    return brackets[0] + space + f"{space},{space}".join(parts) + space + brackets[1]


def objects(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    members = st.tuples(NAMES, SPACES, values).map(lambda parts: f"{parts[0]}{parts[1]}:{parts[1]}{parts[2]}")
    return st.builds(joined, st.lists(members, max_size=4), st.just("{}"), SPACES)


VALUES = st.recursive(
    SCALARS,
    lambda inner: st.builds(joined, st.lists(inner, max_size=3), st.just("[]"), SPACES) | objects(inner),
    max_leaves=8,
)
PATHS = st.sampled_from([("ai",), ("ai", "x"), ("a", "b"), ("new", "a"), ("ai", "a", "x")])


class Object(list[Any]):
    """An object as its members in order, also of equal names."""


def read(text: str) -> Any:
    """Return a JSON text with its numbers as they are spelled."""
    return json.loads(text, strict=False, object_pairs_hook=Object, parse_int=str, parse_float=str, parse_constant=str)


def with_member(document: Any, path: Path) -> Any:
    """Return a document with a member "new"; every member of that name is replaced."""
    if not path:
        return "new"
    assert isinstance(document, Object)
    written = Object((name, with_member(value, path[1:]) if name == path[0] else value) for name, value in document)
    if path[0] not in [name for name, _ in document]:
        written.append((path[0], with_member(Object(), path[1:])))
    return written


@given(objects(VALUES), PATHS)
def test_all_that_is_not_written_is_kept(text: str, path: Path) -> None:
    event = parse_event(text.encode())
    try:
        event.check_place(path)
        written = event.encode({path: "new"}).value.decode()
    except MemberRefused:
        with pytest.raises(AssertionError):
            with_member(read(text), path)
        return
    assert read(written) == with_member(read(text), path)


def test_value_with_a_schema_id_names_the_setting_of_the_registry() -> None:
    with pytest.raises(
        EventUnreadable, match="begins as a value with a schema does, which needs CARTEIRO_SCHEMA_REGISTRY_URL"
    ):
        parse_event(b"\0\0\0\0\1\2a")


@pytest.mark.parametrize(
    "value", [b"", b"\xef\xbb\xbf", b"{} {}", b'{"a":1,}', b"{'a':1}", b'{"a":01}', b'{"\xed\xa0\x80":1}']
)
def test_value_that_is_no_json_is_unreadable(value: bytes) -> None:
    with pytest.raises(EventUnreadable):
        parse_event(value)
