"""Incremental detokenization: the text of a completion, piece by piece, while its tokens are written."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from carteiro.models.answer_stream import AnswerStream
from carteiro.models.interface import RevocableTextSink
from carteiro.models.local.text_generation.whitespace import WhitespaceTrimmer
from carteiro.models.reasoning import ReasoningState

_REPLACEMENT_CHARACTER = "\ufffd"
"""Text of a tokenizer for an incomplete character."""


class IncrementalDetokenizer:
    """Calls `on_text` with each piece of the completion as soon as it is final.

    It holds back reasoning, incomplete characters, text that may be the start of a stop text, and white space before
    the first and after the last word. The pieces together are the text of the completion.
    """

    def __init__(
        self,
        decode: Callable[[Sequence[int]], str],
        stop: Sequence[str],
        on_text: Callable[[str], object],
        start_state: ReasoningState = ReasoningState.ANSWER,
    ) -> None:
        self._decode, self._answer_stream = decode, AnswerStream(stop, WhitespaceTrimmer(on_text), start_state)
        # The text of a token depends on the token before it. So each piece is decoded from `_prefix_offset` on, and
        # the text of the tokens up to `_read_offset` is already known.
        self._prefix_offset = self._read_offset = 0

    def add(self, tokens: Sequence[int]) -> None:
        """Send the new text. `tokens` are all tokens of the completion so far."""
        known = self._decode(tokens[self._prefix_offset : self._read_offset])
        text = self._decode(tokens[self._prefix_offset :])
        if len(text) > len(known) and not text.endswith(_REPLACEMENT_CHARACTER):
            self._prefix_offset, self._read_offset = self._read_offset, len(tokens)
            self._answer_stream.add(text[len(known) :])

    def finish(self, tokens: Sequence[int]) -> None:
        """Send the text that was held back. `tokens` are all tokens of the completion."""
        known = self._decode(tokens[self._prefix_offset : self._read_offset])
        self._answer_stream.add(self._decode(tokens[self._prefix_offset :])[len(known) :])
        self._answer_stream.end()


@contextmanager
def thread_safe_callback(on_text: Callable[[str], None]) -> Iterator[Callable[[str], object]]:
    """Yield a callback for any thread that calls `on_text` on this event loop, until the `with` block ends."""
    callback = _ThreadSafeCallback(asyncio.get_running_loop(), on_text)
    try:
        yield callback
    finally:
        callback.closed.set()


class _ThreadSafeCallback:
    """Callback for text that may be called on any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_text: Callable[[str], None]) -> None:
        self._loop, self._on_text = loop, on_text
        self.closed = threading.Event()

    def __call__(self, text: str) -> None:
        self._loop.call_soon_threadsafe(self._deliver, text)

    def restart(self) -> None:
        self._loop.call_soon_threadsafe(self._deliver, None)

    def _deliver(self, text: str | None) -> None:
        if self.closed.is_set():
            return
        if text is not None:
            self._on_text(text)
        elif isinstance(self._on_text, RevocableTextSink):
            self._on_text.restart()
