"""Passages of the chunks that a search found."""

import dataclasses
import uuid

from carteiro.retrieval.chunk import Chunk, ChunkHit
from carteiro.retrieval.document import Document
from carteiro.retrieval.passages import join_hits, with_pages
from carteiro.schemas.collection import Passage

TEXT = "".join(chr(97 + number % 26) for number in range(260))


def hit(key: str, start: int, end: int, page: int | None = None) -> ChunkHit:
    chunk = Chunk(start, start, end, TEXT[start:end], "H", page)
    return ChunkHit(uuid.uuid4(), chunk, key, f"Title {key}", "uri", {}, 1.0)


def places(*hits: ChunkHit, limit: int = 5) -> list[tuple[str, int, int]]:
    passages = join_hits(hits, limit)
    assert all(TEXT[each.start : each.start + len(each.text)] == each.text for each in passages)
    return [(each.key, each.start, each.start + len(each.text)) for each in passages]


def test_chunks_that_overlap_or_touch_are_joined_in_the_place_of_the_best() -> None:
    assert places(hit("b", 0, 9), hit("a", 50, 90), hit("b", 20, 40), hit("a", 10, 50), hit("a", 80, 100)) == [
        ("b", 0, 9),
        ("a", 10, 100),
        ("b", 20, 40),
    ]


def test_chunk_between_two_passages_joins_them() -> None:
    assert places(hit("a", 0, 40), hit("b", 0, 9), hit("a", 70, 99), hit("a", 30, 80)) == [("a", 0, 99), ("b", 0, 9)]


def test_chunk_inside_a_passage_adds_nothing() -> None:
    assert places(hit("a", 0, 90), hit("a", 10, 20)) == [("a", 0, 90)]


def test_parts_of_two_versions_of_a_document_are_not_joined() -> None:
    """A quotation from the joined text might stand in neither version."""
    later = dataclasses.replace(hit("a", 20, 60), chunk=Chunk(1, 20, 60, "x" * 40))
    passages = join_hits([hit("a", 0, 30), later, hit("a", 25, 70)], 5)
    assert [each.text for each in passages] == [TEXT[:70], "x" * 40]


def test_full_list_takes_no_passage_but_longer_ones() -> None:
    assert places(hit("a", 0, 9), hit("b", 0, 9), hit("a", 5, 20), limit=1) == [("a", 0, 9)]
    assert places(hit("a", 0, 9), hit("a", 5, 20), hit("a", 15, 30), limit=1) == [("a", 0, 20)]


def test_pages_that_begin_in_a_passage_are_known() -> None:
    document = Document("a", TEXT, page_starts=(0, 30, 50, 90))
    (passage,) = join_hits([hit("a", 40, 100, 2)], 1)
    assert passage.pages == ((2, 0),)
    assert with_pages(passage, document).pages == ((2, 0), (3, 10), (4, 50))


def test_changed_document_does_not_change_the_pages() -> None:
    passage = Passage("a", "other text", 40, pages=((2, 0),))
    assert with_pages(passage, Document("a", TEXT, page_starts=(0, 5))) == passage
