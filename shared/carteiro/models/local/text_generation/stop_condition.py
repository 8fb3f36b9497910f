"""Detection of a stop text at the end of a completion, while its tokens are written."""

from collections.abc import Callable, Sequence

from carteiro.models.reasoning import ReasoningState
from carteiro.models.reasoning_split import split_reasoning


class StopCondition:
    """Checks the end of a completion after each token. Stop texts within the reasoning do not count."""

    def __init__(
        self,
        decode: Callable[[Sequence[int]], str],
        stop: Sequence[str],
        start_state: ReasoningState = ReasoningState.ANSWER,
    ) -> None:
        self._decode, self._stop, self._start_state = decode, stop, start_state
        # Each token adds at least one byte. So a text of n bytes lies within the last n + 1 tokens.
        self._tail_tokens = max((len(text.encode()) for text in stop), default=0) + 1

    def is_met(self, token_ids: Sequence[int]) -> bool:
        """Return True if the tokens end with a stop text in the answer."""
        if not self._stop or not self._contains_stop(self._decode(token_ids[-self._tail_tokens :])):
            return False
        return self._contains_stop(split_reasoning(self._decode(token_ids), self._start_state).answer)

    def _contains_stop(self, text: str) -> bool:
        return any(each in text for each in self._stop)
