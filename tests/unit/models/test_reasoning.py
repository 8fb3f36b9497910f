"""Marks around thinking, and the state in which a completion begins."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.models.reasoning import (
    BARE,
    CLOSINGS,
    OPENINGS,
    ReasoningState,
    is_code,
    is_reasoning_tag,
    may_have_tags,
    may_start_tag,
    partial_tag_length,
    start_state_after_prompt,
    start_state_of_model,
)


def test_models_whose_template_opens_the_thinking_are_known() -> None:
    for name in ("deepseek-r1", "openai:deepseek/deepseek-r1:free", "http://vllm/v1#Qwen/QwQ-32B", "qwen3-4b-thinking"):
        assert start_state_of_model(name) is ReasoningState.UNKNOWN
    for name in ("gpt-4.1-mini", "qwen3-4b", "deepseek-chat", "https://deepseek-r1.local/v1#gpt-4.1"):
        assert start_state_of_model(name) is ReasoningState.ANSWER


@pytest.mark.parametrize("token", ["<think>", "</THINK>", "[THINK]", "◁/think▷", "<|end_of_thought|>"])
def test_marks_of_a_vocabulary_are_known(token: str) -> None:
    assert is_reasoning_tag(token)
    assert not is_reasoning_tag(token[1:])


@pytest.mark.parametrize("end", ["<think>", "<think>\n", "[THINK] ", "◁think▷"])
def test_prompt_that_opens_the_thinking_is_known(end: str) -> None:
    assert start_state_after_prompt(f"<|im_start|>assistant\n{end}") is ReasoningState.REASONING
    assert start_state_after_prompt(f"{end} is a mark") is ReasoningState.ANSWER


@given(st.text(max_size=30), st.sampled_from([*OPENINGS, *CLOSINGS, BARE]))
def test_text_with_a_mark_may_have_one(text: str, mark: str) -> None:
    assert may_have_tags(mark.upper() + text if mark != BARE else mark + text)


@given(st.sampled_from(OPENINGS), st.integers(1, 40))
def test_beginning_of_a_mark_is_held_back(mark: str, size: int) -> None:
    beginning = mark[: min(size, len(mark) - 1)]
    assert may_start_tag(beginning, [mark])
    assert partial_tag_length(f"Hm {beginning}", [mark]) == len(beginning)
    assert not may_start_tag(f"{beginning}\0", [mark])


@pytest.mark.parametrize(("opened", "closed"), [("`", "`"), ("```\n", "```\n"), ('{"a": "', '"'), ("a `b` `", "`")])
def test_text_in_code_or_in_a_string_is_recognised(opened: str, closed: str) -> None:
    assert is_code(opened)
    assert not is_code(opened + closed)
