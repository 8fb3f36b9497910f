"""The pure part of reading: which stretch, and which characters."""

import unicodedata

import pytest
import torch

from carteiro.models.local.spans import MOST_TOKENS, best_span, whole_characters


def test_the_best_stretch_begins_before_it_ends_and_stands_in_the_context():
    offsets = [None, (0, 2), (3, 5), (6, 8), None]
    start = torch.tensor([9.0, 1.0, 0.0, 5.0, 9.0])
    end = torch.tensor([9.0, 6.0, 2.0, 1.0, 9.0])
    span = best_span(start, end, offsets)
    assert (span.start, span.end, span.logit) == (0, 2, 7.0)


def test_a_stretch_is_not_longer_than_an_answer_is():
    offsets = [(at, at + 1) for at in range(2 * MOST_TOKENS)]
    start, end = torch.zeros(len(offsets)), torch.zeros(len(offsets))
    start[0], end[MOST_TOKENS] = 1.0, 1.0
    span = best_span(start, end, offsets)
    assert span.logit == 1.0
    end[MOST_TOKENS - 1] = 0.9
    assert best_span(start, end, offsets).logit == pytest.approx(1.9)


def test_a_window_without_context_has_no_stretch():
    assert best_span(torch.zeros(3), torch.zeros(3), [None, None, None]) is None


DECOMPOSED = unicodedata.normalize("NFD", "a São b")


@pytest.mark.parametrize(
    ("text", "start", "end", "expected"),
    [
        ("in  Porto .", 2, 10, "Porto"),
        (DECOMPOSED, 2, 4, unicodedata.normalize("NFD", "Sã")),
        (DECOMPOSED, 4, 6, unicodedata.normalize("NFD", "ão")),
        ("a 👩‍🚀 b", 2, 3, "👩‍🚀"),
        ("a 👩‍🚀 b", 4, 5, "👩‍🚀"),
        ("a 👍🏽 b", 2, 3, "👍🏽"),
        ("❤️ b", 0, 1, "❤️"),
        ("abc", 1, 2, "b"),
    ],
)
def test_characters_are_whole_and_without_white_space(text, start, end, expected):
    start, end = whole_characters(text, start, end)
    assert text[start:end] == expected
