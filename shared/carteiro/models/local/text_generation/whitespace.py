"""White space at the start and the end of a text."""

from collections.abc import Callable

from carteiro.models.interface import RevocableTextSink


class WhitespaceTrimmer:
    """Passes on the pieces of a completion, without the white space at its start and end.

    The pieces together are the text of the completion.
    """

    def __init__(self, on_text: Callable[[str], object]) -> None:
        self._on_text = on_text
        self._pending = ""
        self._started = False

    def __call__(self, piece: str) -> None:
        """Pass on a piece, but hold back the white space at its end, which may be the end of the completion."""
        text = self._pending + piece
        shown = text.rstrip()
        self._pending = text[len(shown) :]
        if not self._started:
            shown = shown.lstrip()
        if shown:
            self._started = True
            self._on_text(shown)

    def restart(self) -> None:
        """Discard the pieces so far: they were reasoning."""
        self._pending, self._started = "", False
        if isinstance(self._on_text, RevocableTextSink):
            self._on_text.restart()


def with_surrounding_whitespace(source: str, content: str) -> str:
    """Return `content` with the white space that surrounds `source`."""
    lead = len(source) - len(source.lstrip())
    return source[:lead] + content + source[len(source.rstrip()) :]
