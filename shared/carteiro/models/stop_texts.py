"""Texts that end a completion and are not part of it."""

from collections.abc import Callable, Sequence


def cut_at_stop(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    """The text before the first stop text in it, and whether there was one."""
    found = [position for text_of_stop in stop if (position := text.find(text_of_stop)) >= 0]
    return (text[: min(found)], True) if found else (text, False)


class UntilStop:
    """What may be shown of a completion while it is written, where it is to end at certain texts.

    Held back is what may be the beginning of a stop text, and all that comes after one.
    """

    def __init__(self, stop: Sequence[str]) -> None:
        self._stop = stop
        self._longest = max(map(len, stop), default=0)
        self._held = ""
        self._stopped = False

    def add(self, text: str) -> str:
        """What can be shown now."""
        if self._stopped:
            return ""
        self._held += text
        shown, self._stopped = cut_at_stop(self._held, self._stop)
        if self._stopped:
            return shown
        longest = min(self._longest - 1, len(self._held))
        kept = next((size for size in range(longest, 0, -1) if self._begins(self._held[-size:])), 0)
        shown, self._held = self._held[: len(self._held) - kept], self._held[len(self._held) - kept :]
        return shown

    def end(self) -> str:
        """What was held back, now that no more comes."""
        return "" if self._stopped else self._held

    def _begins(self, text: str) -> bool:
        return any(each.startswith(text) for each in self._stop)


class StopTexts:
    """Whether a completion has come to one of its stop texts: looks at its end, as often as a token comes."""

    def __init__(self, decode: Callable[[Sequence[int]], str], stop: Sequence[str]) -> None:
        self._decode, self._stop = decode, stop
        # A token adds at least one byte, so a text of n bytes ends within the last n tokens and one.
        self._tail = max((len(text.encode()) for text in stop), default=0) + 1

    def reached(self, written: Sequence[int]) -> bool:
        """Whether one of the texts is at the end of these tokens."""
        if not self._stop:
            return False
        text = self._decode(written[-self._tail :])
        return any(each in text for each in self._stop)
