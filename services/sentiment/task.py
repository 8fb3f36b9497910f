"""The sentiment task: by a classifier, by the likelihood of each label as the next word, or by prompting for scores."""

import json
import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from carteiro.models.interface import ChatModel, ClassifierModel, RankingModel
from carteiro.models.prompt import Message
from carteiro.schemas import Usage
from carteiro.schemas.sentiment import SentimentRequest, SentimentResult
from carteiro.tasks.calibration import Calibration
from carteiro.tasks.classifier_labels import select_scores
from carteiro.tasks.task import Task, TaskOutput, build_prompt, complete_as
from services.sentiment.scores import parse_scores

_DEFAULT_LABELS = frozenset({"positive", "negative", "neutral"})
_FEW_SHOT_PROMPT = """\
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
"""Without examples, a small model never chooses neutral."""
_ZERO_SHOT_PROMPT = "Text: {text}\nLabel:"

_calibration = Calibration()


async def sentiment(
    request: SentimentRequest, model: ClassifierModel | RankingModel | ChatModel
) -> TaskOutput[SentimentResult]:
    """Return the best label and the score of each label.

    Raise `InvalidOutput` if the model gives no scores, and `Unsupported` for labels that a classifier does not have.
    """
    if isinstance(model, ClassifierModel):
        scores, usage = await _score_by_classifier(request, model)
    else:
        scores, usage = await (_score_by_ranking if isinstance(model, RankingModel) else _score_by_prompt)(
            request, model
        )
    label = max(scores, key=lambda each: scores[each])
    rounded = {each: round(score, 4) for each, score in scores.items()}
    return TaskOutput(SentimentResult(label=label, score=rounded[label], scores=rounded), usage)


async def _score_by_classifier(request: SentimentRequest, model: ClassifierModel) -> tuple[dict[str, float], Usage]:
    found = await model.classify(request.text)
    wanted = request.labels if "labels" in request.model_fields_set else None
    return select_scores(model.name, found.probabilities, wanted), found.usage


async def _score_by_ranking(request: SentimentRequest, model: Any) -> tuple[dict[str, float], Usage]:
    template = _FEW_SHOT_PROMPT if _DEFAULT_LABELS.issuperset(request.labels) else _ZERO_SHOT_PROMPT
    margins, usage = await _calibration.margins(model, template, request.text, request.labels)
    return dict(zip(request.labels, _softmax(margins), strict=True)), usage


async def _score_by_prompt(request: SentimentRequest, model: Any) -> tuple[dict[str, float], Usage]:
    number = {"type": "number", "minimum": 0, "maximum": 1}
    schema = {
        "type": "object",
        "properties": dict.fromkeys(request.labels, number),
        "required": request.labels,
        "additionalProperties": False,
    }
    content = (
        "How well does each label fit the text? Reply with JSON alone: an object with a number from 0 (not at all) "
        f"to 1 (entirely) for each of these labels, which together make 1: {json.dumps(request.labels)}\n\n"
        f"Text: {request.text}"
    )
    prompt = build_prompt(request, [Message("user", content)], json_schema=schema)
    scores, completion = await complete_as(model, prompt, partial(_parse, request.labels))
    return scores, completion.usage


def _softmax(values: Sequence[float]) -> list[float]:
    highest = max(values)
    weights = [math.exp(value - highest) for value in values]
    return [weight / sum(weights) for weight in weights]


async def _parse(labels: Sequence[str], text: str) -> dict[str, float]:
    return parse_scores(labels, text)


task = Task(request=SentimentRequest, run=sentiment, abilities=(ClassifierModel, RankingModel, ChatModel))
