"""Events of the Responses API, put together."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.models.cloud.response_stream import ResponseStreamAccumulator
from carteiro.models.cloud.responses import completion
from tests.unit.models.cloud.cloud_models import PROMPT

TEXTS = st.lists(st.text(alphabet="ab ", min_size=1, max_size=4), min_size=1, max_size=8)


def delta(text: str, kind: str = "output_text", part: int = 0) -> dict[str, Any]:
    return {"type": f"response.{kind}.delta", "output_index": 0, "content_index": part, "delta": text}


def response(text: str, status: str = "completed") -> dict[str, Any]:
    content = [{"type": "output_text", "text": text}]
    return {"status": status, "output": [{"type": "message", "role": "assistant", "content": content}]}


@given(TEXTS, st.booleans())
def test_events_give_the_answer_that_comes_without_streaming(texts: list[str], with_output: bool) -> None:
    whole = response("".join(texts))
    pieces = ResponseStreamAccumulator()
    pieces.add({"type": "response.created", "response": {"status": "in_progress", "output": []}})
    assert [pieces.add(delta(text)) for text in texts] == texts
    assert pieces.add({"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": "x"}) == ""
    assert (pieces.may_end, pieces.finished) == (True, False)
    end = whole if with_output else {"status": "completed", "output": []}
    assert pieces.add({"type": "response.completed", "response": end}) == ""
    assert pieces.finished
    assert completion(pieces.answer(), PROMPT, "m").text == completion(whole, PROMPT, "m").text


def test_text_that_comes_only_at_the_end_is_returned_once() -> None:
    pieces = ResponseStreamAccumulator()
    assert pieces.add({"type": "response.completed", "response": response("Lisbon.")}) == "Lisbon."
    assert pieces.add({"type": "response.completed", "response": response("Lisbon.")}) == ""


def test_part_that_comes_whole_is_text_and_one_that_was_streamed_is_not() -> None:
    pieces = ResponseStreamAccumulator()
    pieces.add(delta("a", part=0))
    done = {"type": "response.output_text.done", "output_index": 0}
    assert pieces.add({**done, "content_index": 0, "text": "a"}) == ""
    assert pieces.add({**done, "content_index": 1, "text": "b"}) == "b"


def test_reasoning_and_refusals_are_apart_from_the_text() -> None:
    pieces = ResponseStreamAccumulator()
    assert pieces.add(delta("Hm.", "reasoning_summary_text")) == ""
    assert pieces.add(delta("No.", "refusal")) == ""
    assert pieces.has_reasoning
    kinds = [part["type"] for item in pieces.answer()["output"] for part in item["content"]]
    assert kinds == ["refusal", "reasoning_text"]


def test_limit_truncates_and_an_error_ends_the_answer() -> None:
    pieces = ResponseStreamAccumulator()
    pieces.add({"type": "response.incomplete", "response": response("Lis", "incomplete")})
    assert pieces.truncated
    failed = ResponseStreamAccumulator()
    assert failed.add({"type": "error", "message": "down"}) == ""
    assert failed.finished
    assert failed.answer()["status"] == "failed"


@pytest.mark.parametrize("event", [None, [], "x", {}, {"type": 7}, {"type": "response.x.delta"}, {"response": 7}])
def test_unreadable_event_adds_nothing(event: Any) -> None:
    pieces = ResponseStreamAccumulator()
    assert pieces.add(event) == ""
    assert not pieces.may_end


def test_calls_of_tools_come_once_though_their_items_come_twice() -> None:
    call = {"type": "function_call", "call_id": "call_1", "name": "clock", "arguments": "{}"}
    for output in ([call], None):
        pieces = ResponseStreamAccumulator()
        pieces.add({"type": "response.function_call_arguments.delta", "delta": "{}"})
        pieces.add({"type": "response.output_item.done", "item": call})
        pieces.add({"type": "response.completed", "response": {"status": "completed", "output": output}})
        assert pieces.answer()["output"] == [call]
