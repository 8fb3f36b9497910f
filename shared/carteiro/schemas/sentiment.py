"""sentiment: which of a set of labels a text bears."""

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints, field_validator

from carteiro.schemas.reply import ReplySchema
from carteiro.schemas.request import Request, Text, examples

Label = Annotated[Text, StringConstraints(max_length=60)]
"""A label is a word or a few, not a text."""


class SentimentResult(ReplySchema):
    """The label and how sure the model is of each."""

    model_config = examples(
        {"label": "positive", "score": 0.94, "scores": {"positive": 0.94, "negative": 0.02, "neutral": 0.04}},
    )

    label: str
    """The label with the highest score."""
    score: float
    """Its score."""
    scores: dict[str, float]
    """A score from 0 to 1 for each label; together they make 1."""


class SentimentRequest(Request[SentimentResult]):
    """Say which label fits the text best."""

    model_config = examples(
        {"text": "The staff were kind and the room was spotless."},
        {"text": "Where is my parcel? This is the third time I ask!", "labels": ["angry", "calm"]},
    )
    task: ClassVar = "sentiment"
    result: ClassVar = SentimentResult

    text: Text
    labels: list[Label] = Field(default=["positive", "negative", "neutral"], min_length=2, max_length=20)
    """The labels to choose from."""

    @field_validator("labels")
    @classmethod
    def _are_different(cls, labels: list[str]) -> list[str]:
        if len(set(labels)) < len(labels):
            raise ValueError("the same label stands twice")
        return labels
