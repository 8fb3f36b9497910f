"""Parts that fit a model: joined they are the text, and each part ends at an allowed position."""

from hypothesis import given
from hypothesis import strategies as st

from carteiro.text.splitter import split_text


def words(text: str) -> int:
    return len(text.split())


@given(st.text(alphabet="ab .\n!?é漢🙂", max_size=400), st.integers(1, 20))
def test_joined_parts_are_the_text_and_no_part_is_too_long(text, limit):
    parts = split_text(text, limit, len)
    assert "".join(parts) == text
    assert all(len(part) <= limit for part in parts)


def test_paragraphs_that_fit_are_kept_whole():
    paragraphs = [
        "One two three four five six.\n\n",
        "Seven eight nine ten eleven.\n\n",
        "Twelve. Thirteen fourteen fifteen.",
    ]
    assert split_text("".join(paragraphs), 7, words) == ["".join(paragraphs[:1]), paragraphs[1], paragraphs[2]]


def test_sentences_that_fit_are_kept_whole():
    text = "The first one is here. The second follows it. The third is last."
    assert split_text(text, 5, words) == ["The first one is here. ", "The second follows it. ", "The third is last."]


def test_word_longer_than_a_part_is_cut_and_not_lost():
    assert "".join(split_text("x" * 1000, 64, len)) == "x" * 1000


def test_sentences_and_clauses_without_spaces_between_words_are_kept_whole():
    text = "一つ目の文です。二つ目の文です。三つ目、これは、長い。"
    assert split_text(text, 8, len) == ["一つ目の文です。", "二つ目の文です。", "三つ目、", "これは、長い。"]
