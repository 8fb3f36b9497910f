"""Schemas of sentiment."""

import pytest
from pydantic import ValidationError

from carteiro.schemas.sentiment import SentimentRequest, SentimentResult


@pytest.mark.parametrize(("labels", "reason"), [(["one"], "at least 2"), (["one", "one"], "stands twice")])
def test_labels_are_at_least_two_different_ones(labels: list[str], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        SentimentRequest(text="x", labels=labels)


def test_label_is_shown_with_all_scores() -> None:
    result = SentimentResult(label="calm", score=0.94, scores={"calm": 0.94, "angry": 0.06})
    assert result.render() == "calm  (calm 94%, angry 6%)"
