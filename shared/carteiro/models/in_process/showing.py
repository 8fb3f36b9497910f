"""The text of tokens while they are written: piece by piece, the pieces together being the completion."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from carteiro.models.in_process.stripping import Stripping
from carteiro.models.stop_texts import UntilStop

_UNFINISHED = "\ufffd"
"""What a tokenizer shows for a character of which it has not all bytes."""


class Showing:
    """Says each piece once it is certain.

    Held back are: a character of which bytes are missing, what may be the beginning of a stop text, and white space,
    which is shown between words and not before the first or after the last.
    """

    def __init__(
        self, decode: Callable[[Sequence[int]], str], stop: Sequence[str], say: Callable[[str], object]
    ) -> None:
        self._decode, self._pieces = decode, Stripping(say)
        self._until = UntilStop(stop)
        # What a token adds depends on the one before it: tokens from `_context` on are decoded, `_shown` are known.
        self._context = self._shown = 0

    def add(self, tokens: Sequence[int]) -> None:
        """Show what the completion's tokens, all of them so far, have come to say."""
        known = self._decode(tokens[self._context : self._shown])
        text = self._decode(tokens[self._context :])
        if len(text) > len(known) and not text.endswith(_UNFINISHED):
            self._context, self._shown = self._shown, len(tokens)
            self._pieces.add(self._until.add(text[len(known) :]))

    def end(self, tokens: Sequence[int]) -> None:
        """Show what was held back, now that these are all."""
        known = self._decode(tokens[self._context : self._shown])
        self._pieces.add(self._until.add(self._decode(tokens[self._context :])[len(known) :]) + self._until.end())


@contextmanager
def on_this_loop(say: Callable[[str], None]) -> Iterator[Callable[[str], object]]:
    """What may be told on any thread, and is said on this event loop; after the `with` block nothing is said."""
    loop, left = asyncio.get_running_loop(), threading.Event()

    def tell(piece: str) -> None:
        if not left.is_set():
            say(piece)

    try:
        yield lambda piece: loop.call_soon_threadsafe(tell, piece)
    finally:
        left.set()
