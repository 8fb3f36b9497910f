"""Answer spans: the best span of tokens, and its characters."""

import unicodedata

import pytest
import torch

from carteiro.models.local.transformers.spans import MAX_ANSWER_TOKENS, best_span, snap_to_characters


def test_best_span_is_ordered_and_inside_the_context():
    offsets = [None, (0, 2), (3, 5), (6, 8), None]
    start = torch.tensor([9.0, 1.0, 0.0, 5.0, 9.0])
    end = torch.tensor([9.0, 6.0, 2.0, 1.0, 9.0])
    span = best_span(start, end, offsets)
    assert (span.start, span.end, span.logit) == (0, 2, 7.0)


def test_span_is_at_most_max_answer_tokens_long():
    offsets = [(at, at + 1) for at in range(2 * MAX_ANSWER_TOKENS)]
    start, end = torch.zeros(len(offsets)), torch.zeros(len(offsets))
    start[0], end[MAX_ANSWER_TOKENS] = 1.0, 1.0
    span = best_span(start, end, offsets)
    assert span.logit == 1.0
    end[MAX_ANSWER_TOKENS - 1] = 0.9
    assert best_span(start, end, offsets).logit == pytest.approx(1.9)


def test_window_without_context_has_no_span():
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
def test_span_has_whole_characters_without_white_space(text, start, end, expected):
    start, end = snap_to_characters(text, start, end)
    assert text[start:end] == expected
