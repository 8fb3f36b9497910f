"""Calls of tools in the forms of different servers."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.models.written_calls import (
    CallAccumulator,
    WrittenCall,
    arguments_object,
    normal_id,
    read_calls,
    tool_calls,
)


def entry(name: str | None = None, arguments: Any = None, **more: Any) -> dict[str, Any]:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    return {"function": function, **more}


def collect(*events: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    calls = CallAccumulator()
    for event in events:
        calls.add(read_calls({"tool_calls": event}))
    return [(each.id, each.name, each.arguments) for each in calls.calls]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"tool_calls": [entry("clock", "{}", id="1", type="function")]}, [("1", "clock", "{}")]),
        ({"tool_calls": [entry("clock", {"zone": "UTC"})]}, [("", "clock", '{"zone": "UTC"}')]),  # Ollama's own API
        ({"tool_calls": [entry("clock", "")]}, [("", "clock", "")]),
        ({"tool_calls": [entry("clock", None)]}, [("", "clock", "")]),
        ({"tool_calls": [entry("clock", {})]}, [("", "clock", "")]),
        ({"tool_calls": entry("clock", "{}")}, [("", "clock", "{}")]),
        (
            {"tool_calls": [{"type": "tool_use", "id": "t", "name": "clock", "input": {"a": 1}}]},
            [("t", "clock", '{"a": 1}')],
        ),
        ({"function_call": {"name": "clock", "arguments": "{}"}}, [("", "clock", "{}")]),  # before tools
        ({"tool_calls": None}, []),
        ({"tool_calls": [None, 3]}, []),
        ({"tool_calls": [{"function": None}]}, [("", "", "")]),
        ({}, []),
    ],
)
def test_calls_are_read_in_each_form(message: dict[str, Any], expected: list[tuple[str, str, str]]) -> None:
    assert [(each.id, each.name, each.arguments) for each in read_calls(message)] == expected


def test_signature_of_gemini_is_kept() -> None:
    (call,) = read_calls({"tool_calls": [{**entry("a"), "extra_content": {"google": {"thought_signature": "s"}}}]})
    assert call.signature == "s"


PORTO, LISBON = '{"city": "Porto"}', '{"city": "Lisbon"}'


def begin(name: str, arguments: str = "", **more: Any) -> list[dict[str, Any]]:
    """Return the event with the first piece of a call."""
    return [entry(name, arguments, **more)]


def more(arguments: str, **place: Any) -> list[dict[str, Any]]:
    """Return an event with a later piece."""
    return [entry(arguments=arguments, **place)]


BOTH = [("", "w", PORTO), ("", "w", LISBON)]
FIRST, SECOND = {"index": 0, "id": "1"}, {"index": 1, "id": "2"}


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([begin("w", **FIRST), more(PORTO[:5], index=0), more(PORTO[5:], index=0)], [("1", "w", PORTO)]),  # OpenAI
        (
            [begin("w", **FIRST), more(PORTO, index=0), begin("w", **SECOND), more(LISBON, index=1)],
            [("1", "w", PORTO), ("2", "w", LISBON)],
        ),
        (  # Gemini: complete calls, all with the index 0
            [begin("w", PORTO, index=0, id="1"), begin("w", LISBON, index=0, id="2")],
            [("1", "w", PORTO), ("2", "w", LISBON)],
        ),
        ([begin("w", PORTO, index=0) + begin("w", LISBON, index=0)], BOTH),
        ([begin("w", PORTO, index=0), begin("w", LISBON, index=0)], BOTH),
        ([begin("w", PORTO), begin("w", LISBON)], BOTH),  # no index
        ([begin("a") + begin("b")], [("", "a", ""), ("", "b", "")]),
        ([begin("a"), more("{}")], [("", "a", "{}")]),
        ([begin("get_", index=0), begin("city", index=0), more("{}", index=0)], [("", "get_city", "{}")]),
        ([begin("w", "{", **FIRST), begin("w", "}", **FIRST)], [("1", "w", "{}")]),  # the name in each piece
        ([begin("w", "{", **FIRST), more("}", index=0, id="9")], [("1", "w", "{}")]),  # an id for each piece
        ([begin("w", "{}", **FIRST), begin("w", index=0)], [("1", "w", "{}")]),
        (
            [begin("a", "{", **FIRST), begin("b", "{", **SECOND), more("}", index=0), more("}", index=1)],
            [("1", "a", "{}"), ("2", "b", "{}")],
        ),
    ],
)
def test_pieces_are_put_together(events: list[list[dict[str, Any]]], expected: list[tuple[str, str, str]]) -> None:
    assert collect(*events) == expected


JSON: Any = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["function", "name", "arguments", "id", "index", "tool_calls"]), inner)
    ),
)


@given(st.lists(JSON, max_size=4))
def test_unreadable_pieces_raise_nothing(events: list[Any]) -> None:
    for call in tool_calls(accumulated(events).calls, 3):
        assert isinstance(call.arguments, str)


def accumulated(events: list[Any]) -> CallAccumulator:
    calls = CallAccumulator()
    for event in events:
        calls.add(read_calls({"tool_calls": event}))
    return calls


@given(st.lists(st.builds(WrittenCall, id=st.sampled_from(["", "1", "2", "call_x"]), name=st.just("a")), max_size=6))
def test_ids_are_unique_and_all_providers_take_them(written: list[WrittenCall]) -> None:
    ids = [call.id for call in tool_calls(written, 2)]
    assert len(set(ids)) == len(ids)
    assert all(len(each) == 9 and each.isalnum() and normal_id(each) == each for each in ids)
    assert ids == [call.id for call in tool_calls(written, 2)]


@pytest.mark.parametrize(
    ("arguments", "complete"), [("", True), (" ", True), ("{}", True), ('{"a"', False), ("nope", False)]
)
def test_arguments_are_complete_if_they_are_json(arguments: str, complete: bool) -> None:
    assert WrittenCall(arguments=arguments).is_complete is complete


@pytest.mark.parametrize(
    ("name", "expected"),
    [("functions.weather", "functions_weather"), ("a\ud800 b", "a__b"), ("x" * 10**6, "x" * 64), ("", "_")],
)
def test_name_of_a_call_is_one_that_providers_take(name: str, expected: str) -> None:
    (call,) = tool_calls([WrittenCall(name=name)], 1)
    assert call.name == expected


def test_halves_of_characters_in_a_call_are_joined_or_replaced() -> None:
    (call,) = tool_calls([WrittenCall(name="a", arguments='{"a": "\ud83d\ude00 \ud83d"}', signature="\udc00")], 1)
    assert (arguments_object(call), call.signature) == ({"a": "\U0001f600 \ufffd"}, "\ufffd")


def test_long_signature_is_left_out_and_calls_beyond_the_limit_too() -> None:
    extra = {"extra_content": {"google": {"thought_signature": "s" * 131_073}}}
    assert read_calls({"tool_calls": [entry("a") | extra]})[0].signature is None
    assert len(tool_calls([WrittenCall(name="a")] * 10_000, 1)) == 128
