"""sentiment: the label of a set that fits a text best."""

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints, field_validator

from carteiro.schemas.reply import Result
from carteiro.schemas.request import CommandOption, Request, Text, examples
from carteiro.schemas.text_reference import LargeText

Label = Annotated[Text, StringConstraints(max_length=60)]
"""A label of a word or a few, not a text."""


class SentimentResult(Result):
    """The label, and the model's score for every label."""

    model_config = examples(
        {"label": "positive", "score": 0.94, "scores": {"positive": 0.94, "negative": 0.02, "neutral": 0.04}},
    )

    label: str
    """The label with the highest score."""
    score: float
    """Score of `label`."""
    scores: dict[str, float]
    """A score from 0 to 1 for each label; their sum is 1."""

    def render(self) -> str:
        scores = ", ".join(f"{label} {score:.0%}" for label, score in self.scores.items())
        return f"{self.label}  ({scores})"


class SentimentRequest(Request[SentimentResult]):
    """Find the label that fits the text best."""

    model_config = examples(
        {"text": "The staff were kind and the room was spotless."},
        {"text": "Where is my parcel? This is the third time I ask!", "labels": ["angry", "calm"]},
    )
    task: ClassVar = "sentiment"
    result: ClassVar = SentimentResult

    text: LargeText
    labels: Annotated[list[Label], CommandOption("label")] = Field(
        default=["positive", "negative", "neutral"], min_length=2, max_length=20
    )
    """Labels to choose from."""

    @field_validator("labels")
    @classmethod
    def _are_different(cls, labels: list[str]) -> list[str]:
        if len(set(labels)) < len(labels):
            raise ValueError("the same label stands twice")
        return labels
