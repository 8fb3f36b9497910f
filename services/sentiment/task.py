"""sentiment: by a classifier's own labels, by how likely each label is as the next word, or by asking for scores."""

import json
import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from carteiro.models.failures import InvalidOutput
from carteiro.models.interface import ChatModel, ClassifierModel, Message, RankingModel
from carteiro.models.structured import parse_json
from carteiro.schemas import SentimentRequest, SentimentResult, Usage
from carteiro.worker.task import Done, Task, complete_as, prompt
from services.sentiment.calibration import Calibration
from services.sentiment.labels import fit

_DEFAULT = frozenset({"positive", "negative", "neutral"})
_SHOWN = """\
Review: This is the worst service I have had.
Sentiment: negative

Review: The table is made of wood.
Sentiment: neutral

Review: I really enjoyed the evening, thank you.
Sentiment: positive

Review: The office is on the second floor.
Sentiment: neutral

Review: {text}
Sentiment:"""
"""Without examples a small model never says neutral."""
_PLAIN = "Text: {text}\nLabel:"

_calibration = Calibration()


async def sentiment(
    request: SentimentRequest, model: ClassifierModel | RankingModel | ChatModel
) -> Done[SentimentResult]:
    """Say which label fits best. Raises `InvalidOutput` where the model gives no scores, `Unsupported` for labels that
    a classifier does not have.
    """
    if isinstance(model, ClassifierModel):
        scores, usage = await _classified(request, model)
    else:
        scores, usage = await (_ranked if isinstance(model, RankingModel) else _asked)(request, model)
    label = max(scores, key=lambda each: scores[each])
    rounded = {each: round(score, 4) for each, score in scores.items()}
    return Done(SentimentResult(label=label, score=rounded[label], scores=rounded), usage)


async def _classified(request: SentimentRequest, model: ClassifierModel) -> tuple[dict[str, float], Usage]:
    found = await model.classify(request.text)
    wanted = request.labels if "labels" in request.model_fields_set else None
    return fit(model.name, found.probabilities, wanted), found.usage


async def _ranked(request: SentimentRequest, model: Any) -> tuple[dict[str, float], Usage]:
    template = _SHOWN if _DEFAULT.issuperset(request.labels) else _PLAIN
    ranking = await model.rank(template.format(text=request.text.strip()), [f" {label}" for label in request.labels])
    expected = await _calibration.expected(model, template, request.labels)
    margins = [found - usual for found, usual in zip(ranking.log_probabilities, expected, strict=True)]
    return dict(zip(request.labels, _softmax(margins), strict=True)), ranking.usage


async def _asked(request: SentimentRequest, model: Any) -> tuple[dict[str, float], Usage]:
    number = {"type": "number", "minimum": 0, "maximum": 1}
    schema = {
        "type": "object",
        "properties": dict.fromkeys(request.labels, number),
        "required": request.labels,
        "additionalProperties": False,
    }
    asked = (
        "How well does each label fit the text? Reply with JSON alone: an object with a number from 0 (not at all) "
        f"to 1 (entirely) for each of these labels, which together make 1: {json.dumps(request.labels)}\n\n"
        f"Text: {request.text}"
    )
    asked_for = prompt(request, [Message("user", asked)], json_schema=schema)
    scores, completion = await complete_as(model, asked_for, partial(_read, request.labels))
    return scores, completion.usage


def _read(labels: Sequence[str], text: str) -> dict[str, float]:
    try:
        said = parse_json(text)
        scores = {label: max(float(said[label]), 0.0) for label in labels}
    except (ValueError, KeyError, TypeError):
        raise InvalidOutput("the model gave no score for each label") from None
    total = sum(scores.values())
    if not 0 < total < math.inf:
        raise InvalidOutput("the model found that no label fits")
    return {label: score / total for label, score in scores.items()}


def _softmax(values: Sequence[float]) -> list[float]:
    highest = max(values)
    weights = [math.exp(value - highest) for value in values]
    return [weight / sum(weights) for weight in weights]


task = Task(request=SentimentRequest, run=sentiment, abilities=(ClassifierModel, RankingModel, ChatModel))
