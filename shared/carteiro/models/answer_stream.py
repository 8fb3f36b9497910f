"""The part of a completion that may be shown while it is written: its answer, up to the first stop text."""

from collections.abc import Callable, Sequence

from carteiro.models.interface import RevocableTextSink
from carteiro.models.reasoning import ReasoningState
from carteiro.models.reasoning_filter import ReasoningFilter
from carteiro.models.stop_sequences import StopSequenceFilter


class AnswerStream:
    """Stream that passes the answer to `on_text`, piece by piece.

    If passed text turns out to be thinking, it is revoked, provided that `on_text` is a `RevocableTextSink`.
    """

    def __init__(
        self, stop: Sequence[str], on_text: Callable[[str], object], beginning: ReasoningState = ReasoningState.ANSWER
    ) -> None:
        self._stop, self._on_text = stop, on_text
        self.reasoning = ReasoningFilter(beginning, self._restart)
        self._stop_filter = StopSequenceFilter(stop)

    def add(self, text: str) -> None:
        """Add written text, and pass on the part of the answer that is certain."""
        if text:
            answer = self.reasoning.add(text)  # may call `_restart`, which replaces `_stop_filter`
            self._emit(self._stop_filter.add(answer))

    def end(self, *, cut: bool = False) -> None:
        """Pass on the rest at the end of the completion. `cut` is True if a limit of tokens ended it."""
        answer = self.reasoning.end(cut=cut)  # may call `_restart` too
        self._emit(self._stop_filter.add(answer) + self._stop_filter.end())

    def _restart(self) -> None:
        self._stop_filter = StopSequenceFilter(self._stop)
        if isinstance(self._on_text, RevocableTextSink):
            self._on_text.restart()

    def _emit(self, text: str) -> None:
        if text:
            self._on_text(text)
