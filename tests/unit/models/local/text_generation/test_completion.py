"""Completions from whole texts."""

from carteiro.models.local.text_generation.completion import make_completion
from carteiro.models.reasoning import ReasoningState
from carteiro.schemas import Usage


def count_words(text: str) -> int:
    return len(text.split())


def test_text_ends_before_the_first_stop_text_without_white_space() -> None:
    done = make_completion("  Lisbon. END rest", "stop", Usage(output_tokens=4), count_words, ["END", "rest"])
    assert (done.text, done.reasoning, done.finish_reason) == ("Lisbon.", None, "stop")


def test_reasoning_is_apart_and_its_tokens_are_counted() -> None:
    done = make_completion("<think>a b c</think> Lisbon", "stop", Usage(output_tokens=9), count_words)
    assert (done.text, done.reasoning, done.usage.reasoning_tokens) == ("Lisbon", "a b c", 3)


def test_reasoning_has_no_more_tokens_than_the_output() -> None:
    done = make_completion("<think>a b c</think> Lisbon", "stop", Usage(output_tokens=2), count_words)
    assert done.usage.reasoning_tokens == 2


def test_reasoning_cut_by_the_limit_gives_no_answer() -> None:
    done = make_completion("a b c", "length", Usage(output_tokens=3), count_words, start_state=ReasoningState.REASONING)
    assert (done.text, done.reasoning, done.finish_reason) == ("", "a b c", "length")
