"""The white space at the two ends of a text."""

from collections.abc import Callable


class Stripping:
    """Passes pieces of a completion on while it is written, without the white space at the two ends, so that together
    they are the completion's text.
    """

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say
        self._held = ""
        self._begun = False

    def add(self, piece: str) -> None:
        """Pass on what is written, all but the white space at its end, which may be the last."""
        text = self._held + piece
        shown = text.rstrip()
        self._held = text[len(shown) :]
        if not self._begun:
            shown = shown.lstrip()
        if shown:
            self._begun = True
            self._say(shown)


def around(text: str, written: str) -> str:
    """What was written for the text, with the white space that the text has around it."""
    lead = len(text) - len(text.lstrip())
    return text[:lead] + written + text[len(text.rstrip()) :]
