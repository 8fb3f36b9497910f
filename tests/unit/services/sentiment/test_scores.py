"""Scores in the completions of chat models."""

import pytest

from carteiro.models.errors import InvalidOutput
from services.sentiment.scores import parse_scores

LABELS = ["positive", "negative", "neutral"]
SCORES = [
    '{"POSITIVE": 0.8, "Negative": 0.1, " neutral ": 0.1}',
    '{"positive": 80, "negative": 10, "neutral": 10}',
    '{"positive": "0.8", "negative": "0.1", "neutral": "0.1"}',
    '{"positive": "80%", "negative": "10 %", "neutral": "10%"}',
    '{"positive": 0.8, "negative": 0.1, "neutral": 0.1, "explanation": "kind words"}',
    '{"scores": {"positive": 0.8, "negative": 0.1, "neutral": 0.1}, "label": "positive"}',
    '[{"label": "positive", "score": 0.8}, {"label": "negative", "score": 0.1}, {"label": "neutral", "score": 0.1}]',
    '[{"positive": 0.8}, {"negative": 0.1}, {"neutral": 0.1}]',
    '{"label": "positive", "score": 0.8}',
    '{"sentiment": "Positive", "confidence": "80%"}',
    '```json\n{"positive": 0.8, "negative": 0.1, "neutral": 0.1}\n```',
]


@pytest.mark.parametrize("text", SCORES)
def test_scores_in_other_forms_are_understood(text: str) -> None:
    assert parse_scores(LABELS, text) == pytest.approx({"positive": 0.8, "negative": 0.1, "neutral": 0.1})


@pytest.mark.parametrize(
    "text",
    ['{"label": "positive"}', '{"sentiment": "POSITIVE"}', '{"positive": 1}', '"positive"', "Positive.", "positive"],
)
def test_label_without_scores_is_understood(text: str) -> None:
    assert parse_scores(LABELS, text) == {"positive": 1, "negative": 0, "neutral": 0}


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "1",
        '{"positive": 0.6}',
        f'{{"positive": 1{"0" * 400}}}',
        '{"label": "joyful"}',
        "Positive, or maybe negative.",
    ],
)
def test_unclear_scores_are_invalid_output(text: str) -> None:
    with pytest.raises(InvalidOutput):
        parse_scores(LABELS, text)


def test_names_of_labels_may_differ_only_in_case() -> None:
    assert parse_scores(["Yes", "yes"], '{"Yes": 3, "yes": 1}') == {"Yes": 0.75, "yes": 0.25}
