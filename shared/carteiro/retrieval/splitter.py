"""Splitting of documents into chunks, at headings and between sentences."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator

from carteiro.retrieval.chunk import Chunk
from carteiro.retrieval.document import Document
from carteiro.retrieval.headings import HeadingPaths
from carteiro.text.splitter import split_text
from carteiro.text.structure import split_parts

DEFAULT_MAX_TOKENS = 256
OVERLAP_SHARE = 0.15
"""Share of a chunk that is repeated at the start of the next one, in whole sentences."""

_MAX_CHARACTERS_PER_TOKEN = 10
"""Longer chunks are split even if the model counts few tokens: some models count a word of any length as one."""
_HEADING_TOKENS_SHARE = 0.25
"""Largest share of a chunk for the headings above it."""
_MIN_SECTION_SHARE = 0.25
"""Share of a full chunk from which a chunk ends before a heading."""
_FULL_SHARE = 0.9
"""Share of the tokens from which a chunk is full enough: no longer one is looked for."""


def split_document(
    document: Document,
    count_tokens: Callable[[str], int],
    max_tokens: int = DEFAULT_MAX_TOKENS,
    overlap_tokens: int | None = None,
) -> list[Chunk]:
    """Return the chunks of a document. The text that is embedded for a chunk has at most `max_tokens` tokens.

    `overlap_tokens` at the end of a chunk are repeated in the next one, `OVERLAP_SHARE` by default, unless a heading is
    between them. The chunks have all of the text except white space between them. The time is linear in the length of
    the text, with a few counts for each chunk, and one for each long sentence: call it in a thread.
    """
    overlap = int(max_tokens * OVERLAP_SHARE) if overlap_tokens is None else overlap_tokens
    return list(_Splitter(document, count_tokens, max_tokens, min(overlap, max_tokens // 2)).split())


class _Splitter:
    def __init__(
        self, document: Document, count_tokens: Callable[[str], int], max_tokens: int, overlap_tokens: int
    ) -> None:
        self._document, self._text = document, document.text
        self._count_tokens, self._max_tokens, self._overlap_tokens = count_tokens, max_tokens, overlap_tokens
        self._length = len(self._text.rstrip())
        parts = split_parts(self._text)
        self._headings = HeadingPaths(self._text, parts)
        self._ends = list(self._unit_ends([part.end for part in parts]))
        """Ends of the units that a chunk has whole or not at all: sentences and lines, or pieces of long ones."""
        self._characters_per_token = 4.0
        """Mean of the chunk before, to guess the length of the next one."""

    def split(self) -> Iterator[Chunk]:
        number, start, done = 0, self._skip_space(0), 0
        while done < self._length:
            heading = self._heading_above(start)
            end = self._find_end(start, heading)
            if end <= done:  # the repeated sentences leave no room for the next one
                start = self._skip_space(done)
                continue
            text = self._text[start:end].rstrip()
            yield Chunk(number, start, start + len(text), text, heading, self._document.page_at(start))
            number, done = number + 1, end
            start = self._next_start(start, end)

    def _unit_ends(self, part_ends: list[int]) -> Iterator[int]:
        """Yield the ends of the units. Markers and white space before a sentence or a line belong to it."""
        budget = max(int(self._max_tokens * (1 - _HEADING_TOKENS_SHARE)), 1)
        start = 0
        for end in [*part_ends, len(self._text)]:
            if end <= start:
                continue
            # No tokenizer has more tokens than bytes.
            if end - start > budget // 4 and len(self._text[start:end].encode()) > budget:
                yield from self._piece_ends(start, end, budget)
            yield end
            start = end

    def _piece_ends(self, start: int, end: int, max_tokens: int) -> Iterator[int]:
        """Yield the ends of all pieces of a unit but the last."""
        window = max_tokens * _MAX_CHARACTERS_PER_TOKEN
        while start < end:
            cut = min(start + window, end)
            if cut < end:
                space = max(self._text.rfind(each, start + window // 2, cut) for each in " \n")
                cut = space + 1 if space >= 0 else cut
            for piece in split_text(self._text[start:cut], max_tokens, self._count_tokens):
                start += len(piece)
                if start < end:
                    yield start

    def _find_end(self, start: int, heading: str) -> int:
        """Return the end of the chunk at `start`: as many units as fit, or those before a heading."""
        first = bisect_right(self._ends, start)
        fits = first  # the first unit is taken in any case
        too_long = bisect_right(self._ends, start + self._max_tokens * _MAX_CHARACTERS_PER_TOKEN, lo=first)
        length = int(self._max_tokens * self._characters_per_token)
        while fits + 1 < too_long:
            probe = bisect_right(self._ends, start + length, lo=first) - 1
            probe = min(max(probe, fits + 1), too_long - 1)
            tokens = max(self._count(heading, start, self._ends[probe]), 1)
            self._characters_per_token = (self._ends[probe] - start) / tokens
            if tokens <= self._max_tokens:
                fits = probe
                if tokens >= _FULL_SHARE * self._max_tokens:
                    break
            else:
                too_long = probe
            estimate = int(self._max_tokens * self._characters_per_token)
            middle = self._ends[(fits + too_long) // 2] - start if too_long < len(self._ends) else estimate
            length = (estimate + middle) // 2
        return self._end_before_heading(start, self._ends[fits])

    def _end_before_heading(self, start: int, end: int) -> int:
        shortest = int(self._max_tokens * self._characters_per_token * _MIN_SECTION_SHARE)
        number = bisect_left(self._headings.starts, start + max(shortest, 1))
        if number == len(self._headings.starts) or self._headings.starts[number] >= end:
            return end
        before = self._ends[bisect_right(self._ends, self._headings.starts[number]) - 1]
        return before if before > start else end

    def _next_start(self, start: int, end: int) -> int:
        """Return the start of the next chunk: some units back, unless a heading follows."""
        following = self._skip_space(end)
        number = bisect_left(self._headings.starts, following)
        is_section = number < len(self._headings.starts) and self._headings.starts[number] == following
        if is_section or not self._overlap_tokens:
            return following
        earliest = max(end - int(self._overlap_tokens * self._characters_per_token), start + 1)
        return self._skip_space(self._ends[bisect_left(self._ends, earliest)])

    def _heading_above(self, start: int) -> str:
        titles, title = self._headings.above(start), self._document.title
        # A title that is the first heading stands above only what it is about.
        if title and title not in (*titles[:1], self._headings.first):
            titles = (title, *titles)
        while titles and self._count_tokens(" > ".join(titles)) >= self._max_tokens * _HEADING_TOKENS_SHARE:
            titles = titles[1:]
        return " > ".join(titles)

    def _count(self, heading: str, start: int, end: int) -> int:
        return self._count_tokens(Chunk(0, start, end, self._text[start:end].rstrip(), heading).embedded_text)

    def _skip_space(self, index: int) -> int:
        while index < self._length and self._text[index].isspace():
            index += 1
        return index
