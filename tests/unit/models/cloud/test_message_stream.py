"""Answers of the Messages API in pieces."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from carteiro.models.cloud.message_stream import MessageStreamAccumulator

START = {"type": "message_start", "message": {"content": [], "usage": {"input_tokens": 5, "output_tokens": 1}}}
TEXT = {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "eins"}}
THOUGHT = {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}}
END = {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 9}}
WHOLE = {
    "type": "message",
    "content": [{"type": "text", "text": "eins"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 5, "output_tokens": 9},
}


def test_pieces_make_the_answer_with_the_last_counts() -> None:
    pieces = MessageStreamAccumulator()
    shown = [pieces.add(each) for each in (START, {"type": "ping"}, THOUGHT, TEXT)]
    assert (shown, pieces.may_end, pieces.has_reasoning) == (["", "", "", "eins"], False, True)
    pieces.add(END)
    assert (pieces.may_end, pieces.truncated, pieces.finished) == (True, True, False)
    pieces.add({"type": "message_stop"})
    assert pieces.finished
    assert pieces.answer() == {
        "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "eins"}],
        "stop_reason": "max_tokens",
        "usage": {"input_tokens": 5, "output_tokens": 9},
    }


def test_complete_answer_in_place_of_a_stream_is_taken() -> None:
    pieces = MessageStreamAccumulator()
    assert (pieces.add(WHOLE), pieces.finished) == ("eins", True)
    assert pieces.answer() == {name: WHOLE[name] for name in ("content", "stop_reason", "usage")}


KINDS = st.sampled_from(["message", "message_start", "message_delta", "content_block_start", "content_block_delta"])
JSON: Any = st.recursive(st.none() | st.integers() | st.text(max_size=3), lambda inner: st.lists(inner, max_size=2))
PARTS = JSON | st.dictionaries(st.sampled_from(["text", "thinking", "stop_reason", "usage", "content"]), JSON)


@given(KINDS, st.dictionaries(st.sampled_from(["message", "delta", "content_block", "usage", "content"]), PARTS))
def test_unreadable_event_adds_nothing_and_raises_nothing(kind: str, fields: dict[str, Any]) -> None:
    pieces = MessageStreamAccumulator()
    assert isinstance(pieces.add({**fields, "type": kind}), str)
    assert isinstance(pieces.answer()["content"], list)


def test_arguments_of_calls_come_in_pieces() -> None:
    pieces = MessageStreamAccumulator()
    for index, name in ((1, "clock"), (2, "dice")):
        block = {"type": "tool_use", "id": f"toolu_{index}", "name": name, "input": {}}
        pieces.add({"type": "content_block_start", "index": index, "content_block": block})
    for part in ('{"zone": ', '"UTC"}'):
        delta = {"type": "input_json_delta", "partial_json": part}
        assert pieces.add({"type": "content_block_delta", "index": 1, "delta": delta}) == ""
    assert pieces.answer()["content"] == [
        {"type": "tool_use", "id": "toolu_1", "name": "clock", "input": '{"zone": "UTC"}'},
        {"type": "tool_use", "id": "toolu_2", "name": "dice", "input": ""},
    ]
