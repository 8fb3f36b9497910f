"""Construction of a completion from the whole text of a model in this process."""

from collections.abc import Callable, Sequence

from carteiro.models.reasoning import ReasoningState
from carteiro.models.reasoning_split import split_reasoning
from carteiro.models.results import Completion
from carteiro.models.stop_sequences import truncate_at_stop
from carteiro.schemas import FinishReason, Usage


def make_completion(
    text: str,
    finish_reason: FinishReason,
    usage: Usage,
    count_tokens: Callable[[str], int],
    stop: Sequence[str] = (),
    start_state: ReasoningState = ReasoningState.ANSWER,
) -> Completion:
    """Return the completion up to the first stop text, without reasoning and surrounding white space."""
    split = split_reasoning(text, start_state, cut=finish_reason == "length")
    answer, _ = truncate_at_stop(split.answer, stop)
    if split.reasoning:
        reasoning_tokens = min(count_tokens(split.reasoning), usage.output_tokens)
        usage = usage.model_copy(update={"reasoning_tokens": reasoning_tokens})
    return Completion(answer.strip(), "length" if split.unfinished else finish_reason, usage, split.reasoning)
