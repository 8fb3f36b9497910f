"""Passages: the chunks that a search found, with those that overlap joined."""

from collections.abc import Sequence

from carteiro.retrieval.chunk import ChunkHit
from carteiro.retrieval.document import Document
from carteiro.schemas.collection import Passage


def join_hits(hits: Sequence[ChunkHit], limit: int) -> list[Passage]:
    """Return up to `limit` passages of the hits, which are ordered, best first.

    Chunks of a document that overlap or touch become one passage, in the place of the best of them. At most
    `2 * limit` hits are joined, so that one document cannot grow without an end.
    """
    passages: list[Passage] = []
    for hit in hits[: 2 * limit]:
        joined, places = _passage(hit), []
        for at, each in enumerate(passages):
            if _touch(each, joined):
                joined = _join(each, joined)
                places.append(at)
        if not places and len(passages) == limit:
            continue
        passages = [each for at, each in enumerate(passages) if at not in places]
        passages.insert(min(places, default=len(passages)), joined)
    return passages


def with_pages(passage: Passage, document: Document) -> Passage:
    """Return a passage with the pages that begin inside it. A document that has changed since leaves it as it is."""
    start, end = passage.start, passage.start + len(passage.text)
    if document.text[start:end] != passage.text or (first := document.page_at(start)) is None:
        return passage
    later = [(page, begin - start) for page, begin in enumerate(document.page_starts, 1) if start < begin < end]
    return Passage(passage.key, passage.text, start, passage.title, passage.uri, passage.heading, ((first, 0), *later))


def _passage(hit: ChunkHit) -> Passage:
    chunk = hit.chunk
    pages = () if chunk.page is None else ((chunk.page, 0),)
    return Passage(hit.key, chunk.text, chunk.start, hit.title, hit.uri, chunk.heading, pages)


def _touch(one: Passage, other: Passage) -> bool:
    """Return True if two parts are one text. The document may have changed between two searches."""
    first, second = (one, other) if one.start <= other.start else (other, one)
    common = first.text[second.start - first.start :][: len(second.text)]
    is_apart = first.start + len(first.text) < second.start
    return one.key == other.key and not is_apart and second.text.startswith(common)


def _join(one: Passage, other: Passage) -> Passage:
    first, second = (one, other) if one.start <= other.start else (other, one)
    text = first.text + second.text[max(first.start + len(first.text) - second.start, 0) :]
    return Passage(first.key, text, first.start, first.title, first.uri, first.heading, first.pages)
