"""classify: the labels of the caller's own that fit a text."""

import unicodedata
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    Field,
    GetPydanticSchema,
    SerializeAsAny,
    StringConstraints,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_validator,
)

from carteiro.schemas.list_field import empty_list
from carteiro.schemas.reply import Result
from carteiro.schemas.request import CommandOption, Request, Schema, Text, examples
from carteiro.schemas.text_reference import LargeText

LabelName = Annotated[Text, StringConstraints(max_length=100)]
_MAX_LABELS = 100
_MAX_EXAMPLES = 500

ScoreType = Literal["stated", "similarity", "likelihood", "entailment", "probability"]
"""Origin of scores: the chat model's own statement, the similarity of embeddings, the likelihood as a model's next
words, the entailment by the text, or the probability of a classifier's own label.
"""


def label_key(name: str) -> str:
    """Return the name of a label as models repeat it: composed Unicode (NFC), no white space around it."""
    return unicodedata.normalize("NFC", name.strip())


class LabelDescription(Schema):
    """A label with its meaning."""

    name: LabelName
    description: Annotated[Text, StringConstraints(max_length=1000)] | None = None
    """Texts that the label fits, in a few words."""
    examples: list[Annotated[Text, StringConstraints(max_length=2000)]] = empty_list(max_length=50)
    """Texts that have the label; an embedding model and chat models use them."""


def _read_label(value: Any, validate_name: ValidatorFunctionWrapHandler) -> Any:
    """Return a label in its form."""
    if isinstance(value, LabelDescription):
        return value
    return LabelDescription.model_validate(value) if isinstance(value, dict) else validate_name(value)


_Label = Annotated[
    LabelName | LabelDescription,
    GetPydanticSchema(lambda _, handler: handler(LabelName)),  # a union would name each error twice
    WrapValidator(_read_label, json_schema_input_type=LabelName | LabelDescription),
    SerializeAsAny(),
]


class ClassifyResult(Result):
    """The labels that fit, and the score of every label."""

    model_config = examples(
        {
            "label": "billing",
            "labels": ["billing"],
            "scores": {"billing": 0.93, "delivery": 0.04, "defect": 0.03},
            "score_type": "similarity",
        },
        {"label": None, "labels": [], "scores": {"billing": 0.1, "delivery": 0.2}, "score_type": "stated"},
    )

    label: str | None = None
    """The label with the highest score; null if none fits."""
    labels: list[str]
    """The labels that fit, the best first: one, or with `multiple` any number."""
    scores: dict[str, float]
    """A score from 0 to 1 for each label. Unless `multiple` is set or the score is stated, their sum is at most 1."""
    score_type: ScoreType
    """Origin of the scores, by the kind of model."""

    def render(self) -> str:
        best = sorted(self.scores.items(), key=lambda each: -each[1])[:5]
        return f"{', '.join(self.labels) or '(none)'}  ({', '.join(f'{name} {score:.0%}' for name, score in best)})"


class ClassifyRequest(Request[ClassifyResult]):
    """Find the labels that fit a text, of the caller's own labels."""

    model_config = examples(
        {"text": "Parliament rejected the bill.", "labels": ["sport", "politics", "cooking"]},
        {
            "text": "The kettle leaks from the bottom, and I want my money back.",
            "labels": [
                "delivery",
                {"name": "billing", "description": "charges, invoices and refunds"},
                {"name": "defect", "description": "a broken product", "examples": ["The lamp does not work."]},
            ],
            "multiple": True,
        },
        {"text": "The goats are back.", "labels": ["billing", "delivery"], "allow_none": True},
    )
    task: ClassVar = "classify"
    result: ClassVar = ClassifyResult

    text: LargeText
    labels: Annotated[list[_Label], CommandOption("label")] = Field(min_length=1, max_length=_MAX_LABELS)
    """Labels to choose from."""
    multiple: bool = False
    """True if several labels, or none, may fit; each gets a score of its own."""
    allow_none: bool = False
    """True if no label may fit. With `multiple` it is always so."""

    @property
    def descriptions(self) -> list[LabelDescription]:
        """The labels in one form."""
        return [LabelDescription(name=each) if isinstance(each, str) else each for each in self.labels]

    @field_validator("labels")
    @classmethod
    def _are_different(cls, labels: list[str | LabelDescription]) -> list[str | LabelDescription]:
        names = [label_key(each if isinstance(each, str) else each.name) for each in labels]
        if len(set(names)) < len(names):
            raise ValueError("the same label stands twice")
        if sum(len(each.examples) for each in labels if not isinstance(each, str)) > _MAX_EXAMPLES:
            raise ValueError(f"has more than {_MAX_EXAMPLES} examples")
        return labels

    @model_validator(mode="after")
    def _has_a_choice(self) -> Self:
        if len(self.labels) == 1 and not (self.multiple or self.allow_none):
            raise ValueError("labels: needs two or more, or allow_none or multiple")
        return self
