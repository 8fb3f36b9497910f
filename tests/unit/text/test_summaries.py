"""The sentences that a summary takes from the text."""

import pytest

from carteiro.text.structure import split_parts
from carteiro.text.summaries import central_sentences, sentence_count, summarizable_parts

HARBOUR, HARBOUR_AGAIN, FEES, WEATHER = (1.0, 0.0, 0.0), (0.98, 0.199, 0.0), (0.6, 0.8, 0.0), (0.0, 0.0, 1.0)
TEXTS = [f"This is the sentence that has number {number} here." for number in range(9)]


def test_most_central_sentences_are_taken_in_the_order_of_the_text():
    vectors = [HARBOUR, WEATHER, FEES, HARBOUR]
    assert central_sentences(TEXTS[:4], vectors, 2) == [0, 2]


def test_repeated_sentence_is_not_taken():
    vectors = [HARBOUR, HARBOUR_AGAIN, WEATHER]
    assert central_sentences(TEXTS[:3], vectors, 3) == [0, 2]


def test_first_of_equal_sentences_is_taken():
    assert central_sentences(TEXTS[:3], [HARBOUR, FEES, FEES], 1) == [0]


@pytest.mark.parametrize("style", ["paragraph", "bullets"])
@pytest.mark.parametrize("sentences", [5, 6, 12, 400])
def test_short_medium_and_long_differ(style, sentences):
    counts = [sentence_count(sentences, style, length) for length in ("short", "medium", "long")]
    assert counts == sorted(set(counts))
    assert counts[-1] < sentences


@pytest.mark.parametrize("style", ["paragraph", "bullets"])
@pytest.mark.parametrize("length", ["short", "medium", "long"])
def test_text_of_one_sentence_is_its_summary(style, length):
    assert sentence_count(1, style, length) == 1


def test_headings_lists_tables_and_code_are_left_out():
    text = "# Title\n\nThe port is open. It is busy.\n\n- an item\n\n| a | b |\n\n```\ncode\n```\n"
    assert [each.text for each in summarizable_parts(split_parts(text))] == ["The port is open.", "It is busy."]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("# Title\n\n- buy bread\n- buy milk\n", ["buy bread", "buy milk"]),
        ("no full stop here", ["no full stop here"]),
        ("```\ncode\n```", ["code"]),
    ],
)
def test_text_without_sentences_is_taken_unchanged(text, found):
    assert [each.text for each in summarizable_parts(split_parts(text))] == found
