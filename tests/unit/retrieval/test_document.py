import dataclasses

import pytest

from carteiro.retrieval.document import MAX_FIELDS, Document, Version
from carteiro.retrieval.errors import DocumentInvalid

STORED = Version("docs", 0, 100, 5_000)


@pytest.mark.parametrize(
    ("version", "supersedes"),
    [
        (Version("docs", 0, 101, 5_001), True),
        (Version("docs", 0, 100, 5_000), True),
        (Version("docs", 0, 99, 4_999), False),
        (Version("docs", 0, 99, 5_000), False),
        (Version("docs", 0, 101, 4_000), True),  # a producer's clock was put back
        (Version("docs", 0, 3, 9_000), True),  # the topic was created again
        (Version("docs", 0, 3), False),
        (Version("docs", 1, 3, 5_000), True),  # the topic got more partitions
        (Version("docs", 1, 300, 4_999), False),
        (Version("docs", 1, 3), True),
        (Version("copies", 0, 3, 6_000), True),
        (Version("copies", 0, 300, 4_000), False),
    ],
)
def test_newer_version_supersedes_the_stored_one(version, supersedes):
    assert version.supersedes(STORED) is supersedes


def test_offsets_decide_without_timestamps():
    stored = Version("docs", 0, 100)
    assert not Version("docs", 0, 99, 5_000).supersedes(stored)
    assert Version("docs", 0, 101).supersedes(stored)


def test_document_replaces_characters_that_no_store_keeps_one_for_one():
    document = Document("k", "a\x00b\ud800c", title="\x00")
    assert document.text == "a\ufffdb\ufffdc"
    assert document.title == "\ufffd"


def test_fields_of_a_document_are_a_copy():
    fields = {"tenant": "north"}
    document = Document("k", "text", fields=fields)
    fields["tenant"] = "south"
    assert document.fields == {"tenant": "north"}
    with pytest.raises(TypeError):
        document.fields["tenant"] = "south"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"key": ""}, "key"),
        ({"key": "a\x00"}, "key"),
        ({"key": "é" * 513}, "key"),
        ({"title": "t" * 1025}, "title"),
        ({"fields": {f"f{number}": 1 for number in range(MAX_FIELDS + 1)}}, "fields"),
        ({"fields": {"": 1}}, "fields"),
        ({"fields": {"a\x00": 1}}, "fields"),
        ({"fields": {"a": "\ud800"}}, "fields.a"),
        ({"fields": {"a": None}}, "fields.a"),
        ({"fields": {"a": ["x"]}}, "fields.a"),
        ({"fields": {"a": float("nan")}}, "fields.a"),
        ({"fields": {"a": 10**30}}, "fields.a"),
        ({"fields": {"a": "x" * 1025}}, "fields.a"),
        ({"page_starts": (3, 2)}, "page_starts"),
        ({"page_starts": (0, 6)}, "page_starts"),
        ({"page_starts": (-1,)}, "page_starts"),
    ],
)
def test_invalid_document_is_refused_by_the_name_of_what_is_wrong(changes, named):
    with pytest.raises(DocumentInvalid, match=rf"^{named}: "):
        dataclasses.replace(Document("key", "text."), **changes)


def test_page_of_a_character_is_counted_from_one():
    document = Document("k", "one two three", page_starts=(0, 4, 4, 8))
    assert [document.page_at(index) for index in (0, 3, 4, 7, 8, 12)] == [1, 1, 3, 3, 4, 4]
    assert Document("k", "text").page_at(2) is None
