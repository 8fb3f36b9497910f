"""Parts that a model can read: joined they are the text, and each ends where it may."""

from hypothesis import given
from hypothesis import strategies as st

from carteiro.models.splitting import split


def words(text: str) -> int:
    return len(text.split())


@given(st.text(alphabet="ab .\n!?é漢🙂", max_size=400), st.integers(1, 20))
def test_parts_joined_are_the_text_and_none_is_too_long(text, limit):
    parts = split(text, limit, len)
    assert "".join(parts) == text
    assert all(len(part) <= limit for part in parts)


def test_paragraphs_are_kept_whole_where_they_fit():
    paragraphs = [
        "One two three four five six.\n\n",
        "Seven eight nine ten eleven.\n\n",
        "Twelve. Thirteen fourteen fifteen.",
    ]
    assert split("".join(paragraphs), 7, words) == ["".join(paragraphs[:1]), paragraphs[1], paragraphs[2]]


def test_sentences_are_kept_whole_where_they_fit():
    text = "The first one is here. The second follows it. The third is last."
    assert split(text, 5, words) == ["The first one is here. ", "The second follows it. ", "The third is last."]


def test_a_word_longer_than_a_part_is_cut_rather_than_lost():
    assert "".join(split("x" * 1000, 64, len)) == "x" * 1000


def test_sentences_and_clauses_are_kept_whole_where_nothing_is_between_words():
    text = "一つ目の文です。二つ目の文です。三つ目、これは、長い。"
    assert split(text, 8, len) == ["一つ目の文です。", "二つ目の文です。", "三つ目、", "これは、長い。"]
