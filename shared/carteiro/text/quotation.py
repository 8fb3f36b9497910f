"""Quotations of a model: the place of the quoted words in their source."""

import re
import unicodedata
from collections.abc import Iterable, Iterator

_WORD = re.compile(r"[^\W_]+")
"""Characters of a word, as `str.isalnum` has them."""
_QUOTE_MARKS = frozenset("\"'`´‘’‚‛“”„‟«»‹›")
_DASHES = frozenset("-‐‑‒–—―−")
_MAX_MARKS = 1000
"""Characters, besides twice those of the source, of which more cannot stand there: each is looked at."""
_MAX_ACCENTS = 32
"""Maximum length of a character with its accents: the order of more takes quadratic time."""
_MIN_LETTERS = 4
"""Minimum number of letters of a quotation without a digit: "the" stands in every text."""


class QuotedText:
    """A text that quotations are searched in."""

    def __init__(self, source: str) -> None:
        self._folded, self._length = _fold(source), len(source)
        self._text = "".join(each for each, _, _ in self._folded)

    def find(self, quote: str, *, min_letters: int = _MIN_LETTERS) -> tuple[int, int] | None:
        """Return the start and the end of the quoted words; None if they do not stand there as whole words.

        White space, the kinds of quotation marks and dashes, the case of letters, and marks and ellipses around the
        quotation do not count, nor if an accent is a character of its own. A quotation without a digit has at least
        `min_letters` letters.
        """
        if len(quote) > 2 * self._length + _MAX_MARKS:
            return None
        wanted = "".join(each for each, _, _ in _fold(_stripped(quote))).strip()
        if not _is_telling(wanted, min_letters):
            return None
        text, at = self._text, self._text.find(wanted)
        while at >= 0:
            end = at + len(wanted)
            if not (_joins_words(text, at) or _joins_words(text, end)):
                return self._folded[at][1], self._folded[end - 1][2]
            # Each further comparison may take as long as the quotation, so the rest of the word is passed over.
            rest = _WORD.match(text, at)
            at = text.find(wanted, rest.end() if rest else at + 1)
        return None


def find_quotation(quote: str, source: str) -> tuple[int, int] | None:
    """Return the start and the end of the quoted words in a source, as `QuotedText.find` does."""
    return QuotedText(source).find(quote)


def _fold(text: str) -> list[tuple[str, int, int]]:
    """Return the characters that count, each with the start and the end of its place in the text."""
    folded: list[tuple[str, int, int]] = []
    last = ""
    for character, start, end in _composed(text):
        kind = " " if character.isspace() else "'" if character in _QUOTE_MARKS else ""
        if kind and kind == last:
            continue
        last = kind
        same = kind or ("-" if character in _DASHES else character.casefold())
        folded += [(each, start, end) for each in same]
    return folded


def _composed(text: str) -> Iterable[tuple[str, int, int]]:
    """Return the characters, each composed (NFC) with the accents behind it, and the start and the end of its place."""
    if unicodedata.is_normalized("NFC", text):
        return zip(text, range(len(text)), range(1, len(text) + 1), strict=True)
    return _clusters(text)


def _clusters(text: str) -> Iterator[tuple[str, int, int]]:
    start = 0
    for end in range(1, len(text) + 1):
        if end == len(text) or end - start == _MAX_ACCENTS or not unicodedata.combining(text[end]):
            yield unicodedata.normalize("NFC", text[start:end]), start, end
            start = end


def _stripped(quote: str) -> str:
    return quote.strip("".join(_QUOTE_MARKS) + ".… \t\r\n")


def _is_telling(quote: str, min_letters: int) -> bool:
    return any(each.isdigit() for each in quote) or sum(each.isalpha() for each in quote) >= min_letters


def _joins_words(text: str, at: int) -> bool:
    """Return True if a word goes on at this index."""
    return 0 < at < len(text) and text[at - 1].isalnum() and text[at].isalnum()
