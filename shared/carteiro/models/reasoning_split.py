"""Separation of the thinking in a whole completion from its answer."""

from dataclasses import dataclass

from carteiro.models.reasoning import ReasoningState, may_have_tags
from carteiro.models.reasoning_filter import ReasoningFilter


@dataclass(frozen=True, slots=True)
class ReasoningSplit:
    """A completion's answer and its thinking. `unfinished` is True if the thinking was cut before an answer."""

    answer: str
    reasoning: str | None
    unfinished: bool


def split_reasoning(
    text: str, beginning: ReasoningState = ReasoningState.ANSWER, *, cut: bool = False
) -> ReasoningSplit:
    """Split a whole completion. `cut` is True if a limit of tokens ended it."""
    if beginning is ReasoningState.ANSWER and not may_have_tags(text):
        return ReasoningSplit(text, None, False)
    answer: list[str] = []
    reader = ReasoningFilter(beginning, answer.clear)
    answer.append(reader.add(text))
    answer.append(reader.end(cut=cut))
    return ReasoningSplit("".join(answer), reader.reasoning, reader.unfinished)
