"""Whether a completion has come to one of its stop texts."""

from collections.abc import Callable, Sequence


class StopTexts:
    """Looks at the end of what is written, as often as a token comes."""

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
