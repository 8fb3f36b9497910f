"""Pieces of an answer with choices, put together."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.models.cloud.chat_completions import completion
from carteiro.models.cloud.choice_stream import ChoiceStreamAccumulator
from carteiro.schemas import Usage
from tests.unit.models.cloud.cloud_models import PROMPT, TOOL_PROMPT

USAGE = {"prompt_tokens": 3, "completion_tokens": 2}
TEXTS = st.lists(st.text(alphabet="ab ", max_size=4), min_size=1, max_size=8)


def delta(text: str, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, **more}]}


@given(TEXTS, st.sampled_from(["stop", "length"]))
def test_pieces_give_the_answer_that_comes_without_streaming(texts: list[str], reason: str) -> None:
    pieces = ChoiceStreamAccumulator()
    added = [pieces.add(delta(text)) for text in texts]
    assert not pieces.finished
    pieces.add({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    assert (pieces.finished, pieces.may_end, pieces.truncated) == (True, True, reason == "length")
    pieces.add({"choices": [], "usage": USAGE})
    whole = {"choices": [{"message": {"content": "".join(texts)}, "finish_reason": reason}], "usage": USAGE}
    assert completion(pieces.answer(), PROMPT, "m") == completion(whole, PROMPT, "m")
    assert added == texts


@given(TEXTS)
def test_message_that_repeats_the_pieces_adds_nothing(texts: list[str]) -> None:
    pieces = ChoiceStreamAccumulator()
    for text in texts:
        pieces.add(delta(text))
    assert pieces.add({"choices": [{"message": {"content": "".join(texts)}, "finish_reason": "stop"}]}) == ""
    assert pieces.answer()["choices"][0]["message"]["content"] == "".join(texts)


def test_other_choices_are_left_out() -> None:
    pieces = ChoiceStreamAccumulator()
    assert pieces.add(delta("a", index=1)) == "a"
    assert pieces.add({"choices": [{"index": 0, "delta": {"content": "x"}}]}) == ""
    assert pieces.add(delta("b", index=1)) == "b"


def test_reasoning_is_apart_and_a_refusal_is_kept() -> None:
    pieces = ChoiceStreamAccumulator()
    assert pieces.add({"choices": [{"delta": {"reasoning_content": "Hm."}}]}) == ""
    assert pieces.has_reasoning
    pieces.add({"choices": [{"delta": {"refusal": "No."}}]})
    message = pieces.answer()["choices"][0]["message"]
    assert message == {"content": None, "reasoning_content": "Hm.", "refusal": "No."}


def test_zeros_do_not_replace_a_usage() -> None:
    pieces = ChoiceStreamAccumulator()
    pieces.add(delta("a", finish_reason="stop"))
    pieces.add({"choices": [], "usage": USAGE})
    pieces.add({"choices": [], "usage": {"prompt_tokens": 0, "completion_tokens": 0}})
    assert completion(pieces.answer(), PROMPT, "m").usage == Usage(input_tokens=3, output_tokens=2)


@pytest.mark.parametrize("piece", [None, [], "x", {}, {"choices": None}, {"choices": [7]}, {"usage": 7}])
def test_unreadable_piece_adds_nothing(piece: Any) -> None:
    pieces = ChoiceStreamAccumulator()
    assert pieces.add(piece) == ""
    assert not pieces.may_end


def test_calls_of_tools_are_put_together_and_not_repeated() -> None:
    pieces = ChoiceStreamAccumulator()
    first = {"index": 0, "id": "1", "function": {"name": "clock", "arguments": ""}}
    for calls in ([first], [{"index": 0, "function": {"arguments": '{"zone": '}}]):
        assert pieces.add({"choices": [{"delta": {"tool_calls": calls}}]}) == ""
    whole = {"id": "1", "function": {"name": "clock", "arguments": '{"zone": "UTC"}'}}
    pieces.add({"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": '"UTC"}'}}]}}]})
    pieces.add({"choices": [{"message": {"content": None, "tool_calls": [whole]}, "finish_reason": "tool_calls"}]})
    assert pieces.answer()["choices"][0]["message"]["tool_calls"] == [{"type": "function", **whole}]
    assert completion(pieces.answer(), TOOL_PROMPT, "m").finish_reason == "tool_calls"
