import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.retrieval.document import Document
from carteiro.retrieval.splitter import split_document


def count_words(text: str) -> int:
    return len(text.split())


def count_bytes(text: str) -> int:
    return len(text.encode())


def split(text: str, max_tokens: int = 20, overlap: int | None = 0, count=count_words, pages=()):
    return split_document(Document("k", text, page_starts=tuple(pages)), count, max_tokens, overlap)


def sentences(number: int, words: int = 7) -> list[str]:
    return [f"Sentence {at} has {'more ' * (words - 4)}words." for at in range(number)]


def check(text: str, chunks, max_tokens: int, count=count_words) -> None:
    """Check the promises for all chunks of a text."""
    assert [chunk.number for chunk in chunks] == list(range(len(chunks)))
    covered = 0
    for chunk in chunks:
        assert text[chunk.start : chunk.end] == chunk.text
        assert chunk.text == chunk.text.strip()
        assert chunk.text
        assert count(chunk.embedded_text) <= max_tokens
        assert not text[covered : chunk.start].strip()
        assert chunk.end > covered
        covered = chunk.end
    assert not text[covered:].strip()


def test_chunks_have_whole_sentences():
    text = " ".join(sentences(10))
    chunks = split(text)
    check(text, chunks, 20)
    assert [chunk.text.count("Sentence") for chunk in chunks] == [2] * 5


def test_short_text_is_one_chunk():
    assert [chunk.text for chunk in split("  A text.\n\n")] == ["A text."]
    assert split("") == split(" \n\t ") == []


def test_end_of_a_chunk_is_repeated_in_the_next_one():
    text = " ".join(sentences(12))
    chunks = split(text, 30, overlap=8)
    for before, after in itertools.pairwise(chunks):
        assert after.start < before.end
        assert text[after.start : before.end].count("Sentence") == 1
    assert chunks[-1].end == len(text)
    assert all(count_words(chunk.text) <= 30 for chunk in chunks)


def test_sentence_longer_than_the_overlap_is_not_repeated():
    chunks = split(" ".join(sentences(4)), 8, overlap=3)
    assert [chunk.text.count("Sentence") for chunk in chunks] == [1] * 4


def test_chunk_ends_before_a_heading_and_knows_those_above_it():
    text = "\n\n".join(["# Guide", *sentences(2), "## Leave", *sentences(2), "## Notice", *sentences(2)])
    chunks = split(text, 40, overlap=8)
    assert [chunk.text.splitlines()[0] for chunk in chunks] == ["# Guide", "## Leave", "## Notice"]
    assert [chunk.heading for chunk in chunks] == ["", "Guide", "Guide"]
    chunks = split(text, 14)
    assert [chunk.heading for chunk in chunks] == ["", "Guide", "Guide", "Guide > Leave", "Guide", "Guide > Notice"], [
        each.text for each in chunks
    ]
    check(text, chunks, 14)


def test_long_path_of_headings_leaves_room_for_the_text():
    text = "\n\n".join([f"{'#' * level} " + f"level{level} " * 5 for level in range(1, 6)] + sentences(6))
    chunks = split(text, 24)
    check(text, chunks, 24)
    assert chunks[-1].heading == "level5 level5 level5 level5 level5"


def test_chunk_has_the_page_of_its_start():
    first, second = " ".join(sentences(3)), " ".join(sentences(3))
    chunks = split(f"{first}\n\n{second}", 22, pages=(0, len(first) + 2))
    assert [chunk.page for chunk in chunks] == [1, 1, 2] or [chunk.page for chunk in chunks] == [1, 2]


@pytest.mark.parametrize(
    "text",
    [
        "x" * 5000,
        "word " * 5000,
        "字" * 5000,
        "\U0001f600" * 3000,
        "- item one\n" * 900,
        "a,b\tc\td\n" * 900,
        "```\n" + "let x = f(y);\n" * 500 + "```\n\nAnd after it a sentence.",
        "-" * 5000 + "\n" + "=" * 5000,
        "> quoted\n>> more\n" * 500,
        "# \n" * 900,
        "# a\n" * 900,
        "\n\n\n   \x0b\x0c word \u2028 next \u00a0",
    ],
)
@pytest.mark.parametrize(
    "count", [count_words, len, lambda text: len(text.encode())], ids=["words", "letters", "bytes"]
)
def test_unusual_text_is_split_whole(text, count):
    for overlap in (0, 5):
        check(text, split(text, 50, overlap, count), 50, count)


@given(st.text("aB1 .\n#-=>|`\t,é字", max_size=400), st.integers(8, 40), st.integers(0, 20))
def test_any_text_is_split_whole(text, max_tokens, overlap):
    check(text, split(text, max_tokens, overlap, len), max_tokens, len)


@pytest.mark.parametrize("text", ["short line\n" * 20_000, "x" * 400_000, "# heading\n\nA sentence of it.\n\n" * 8000])
def test_counts_are_linear_in_the_text(text):
    counted = []

    def count(part: str) -> int:
        counted.append(len(part))
        return len(re.findall(r".{1,4}", part))

    chunks = split(text, 256, 38, count)
    assert sum(counted) < 12 * len(text)
    assert max(counted) <= 2560 + 1
    check(text, chunks, 256, lambda part: len(re.findall(r".{1,4}", part)))


def test_title_of_the_document_stands_above_its_headings_once() -> None:
    text = "# Ferry\n\nIt leaves at nine every day.\n\n## Fares\n\nTwo euros for each person."

    def headings(title: str) -> list[str]:
        return [chunk.heading for chunk in split_document(Document("k", text, title), count_words, 16, 0)]

    assert headings("") == ["", "Ferry"]
    assert headings("Ferry") == ["", "Ferry"]
    assert headings("Times") == ["Times", "Times > Ferry"]


def test_title_that_is_the_first_heading_stands_above_no_other_section() -> None:
    text = "# Ferry\n\nIt leaves at nine every day.\n\n# Bridge\n\nIt is open to all of them."
    chunks = split_document(Document("k", text, "Ferry"), count_words, 12, 0)
    assert [(chunk.heading, chunk.text.split()[1]) for chunk in chunks] == [("", "Ferry"), ("", "Bridge")]
