"""Texts that end a completion and are not part of it."""

from collections.abc import Sequence


def truncate_at_stop(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    """Return the text before the first stop text in it, and True if there was a stop text."""
    found = [position for text_of_stop in stop if (position := text.find(text_of_stop)) >= 0]
    return (text[: min(found)], True) if found else (text, False)


def partial_match_length(text: str, stop: Sequence[str]) -> int:
    """Return the number of characters at the text's end that may be the beginning of one of the stop texts."""
    longest = min(max(map(len, stop), default=0) - 1, len(text))
    return next((size for size in range(longest, 0, -1) if any(each.startswith(text[-size:]) for each in stop)), 0)


class StopSequenceFilter:
    """Filter for the part of a completion that may be shown while it is written, up to its stop texts.

    It holds back a possible beginning of a stop text, and drops all text after a stop text.
    """

    def __init__(self, stop: Sequence[str]) -> None:
        self._stop = stop
        self._buffer = ""
        self._stopped = False

    def add(self, text: str) -> str:
        """Add text, and return the text that can be shown now."""
        if self._stopped:
            return ""
        self._buffer += text
        shown, self._stopped = truncate_at_stop(self._buffer, self._stop)
        if self._stopped:
            return shown
        certain = len(self._buffer) - partial_match_length(self._buffer, self._stop)
        shown, self._buffer = self._buffer[:certain], self._buffer[certain:]
        return shown

    def end(self) -> str:
        """Return the text that was held back, at the end of the completion."""
        return "" if self._stopped else self._buffer
