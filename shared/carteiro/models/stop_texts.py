"""Texts that end a completion and are not part of it."""

from collections.abc import Sequence


def cut_at_stop(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    """The text before the first stop text in it, and whether there was one."""
    found = [position for text_of_stop in stop if (position := text.find(text_of_stop)) >= 0]
    return (text[: min(found)], True) if found else (text, False)
