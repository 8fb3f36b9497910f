"""The filter gives the answer as early as it is certain, and the same for any pieces."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.models.reasoning import ReasoningState
from carteiro.models.reasoning_filter import ReasoningFilter

TEXTS = st.lists(
    st.sampled_from(["<think>", "</think>", "[/THINK]", "`", '"', "\n", "{", "Hm", "<", "assistantfinal", "analysisA"]),
    max_size=10,
).map("".join)


def shown_by(pieces: Iterable[str], state: ReasoningState = ReasoningState.ANSWER) -> tuple[list[str], int]:
    """Return the texts that the filter gives for each piece and at the end, and the number of restarts."""
    restarts = list[None]()
    reader = ReasoningFilter(state, lambda: restarts.append(None))
    return [*(reader.add(piece) for piece in pieces), reader.end()], len(restarts)


@given(
    st.text(alphabet=st.characters(exclude_characters="<[◁"), min_size=1).filter(lambda text: "analysis" not in text)
)
def test_text_without_marks_passes_unchanged(text: str) -> None:
    shown, restarts = shown_by(text)
    assert ("".join(shown), restarts) == (text, 0)


@given(TEXTS, st.sampled_from(ReasoningState))
def test_thinking_and_answer_are_parts_of_the_text(text: str, state: ReasoningState) -> None:
    reader = ReasoningFilter(state)
    answer = reader.add(text) + reader.end()
    assert all(part.strip() in text for part in (reader.reasoning or "").split("\n\n"))
    assert answer in text
    assert not reader.unfinished or reader.reasoning is not None or not answer


@given(TEXTS)
def test_answer_has_at_most_one_restart_for_each_closing_mark(text: str) -> None:
    assert shown_by(text)[1] <= text.lower().count("</think>") + text.lower().count("[/think]")


@pytest.mark.parametrize(
    ("pieces", "shown"),
    [
        (["<think>Hm.</think>Lis", "bon."], ["Lis", "bon.", ""]),
        (["<thi", "cket"], ["", "<thicket", ""]),
        (["Lisbon <", "b>"], ["Lisbon ", "<b>", ""]),
        (["<|channel|>final<|message|>Lis", "bon.<|ret", "urn|> more"], ["Lis", "bon.", "", ""]),
        (["<think>a</think><answer>b</an", "swer>c"], ["b", "", ""]),
    ],
)
def test_text_is_given_as_soon_as_it_is_certain(pieces: list[str], shown: list[str]) -> None:
    assert shown_by(pieces)[0] == shown


def test_text_that_may_be_thinking_is_held_back_until_a_closing_mark() -> None:
    assert shown_by(["Hm.", "</think>Yes.", " No."], ReasoningState.UNKNOWN) == (["", "Yes.", " No.", ""], 0)
    assert shown_by(["Hm.", "</think>Yes."]) == (["Hm.", "Yes.", ""], 1)


def test_provider_that_separates_the_thinking_has_no_text_held_back() -> None:
    reader = ReasoningFilter(ReasoningState.UNKNOWN)
    assert reader.add("Li") == ""
    reader.mark_reasoning_separate()
    assert reader.add("sbon.") == "Lisbon."


def test_quoted_closing_marks_are_checked_only_so_often() -> None:
    """After so many quoted ones, the text is about them."""
    text = '"</think>" ' * 150 + "</think>"
    assert shown_by([text]) == ([text, ""], 0)


def test_missing_opening_mark_is_noted() -> None:
    reader = ReasoningFilter()
    reader.add("Hm.</think>Yes.")
    assert reader.missing_opening_tag
