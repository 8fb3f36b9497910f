"""The classify task with models that judge: entailment, a classifier's own labels, likelihood."""

from collections.abc import Sequence
from typing import Any

import pytest

from carteiro.models.errors import Unsupported
from carteiro.models.results import Classification, Entailment, Ranking
from carteiro.schemas import Usage
from tests.unit.services.conftest import TASKS
from tests.unit.services.fake_small_model import FakeSmallModel

classify = TASKS["classify"]
LABELS = ["sport", {"name": "food", "description": "meals and recipes"}]


async def run(model: Any, **fields: Any) -> Any:
    request = {"text": "Simmer the onions.", "labels": LABELS, **fields}
    return (await classify.run(classify.request.model_validate(request), model)).result


class Judge(FakeSmallModel):
    def __init__(self, log_odds: Sequence[float]) -> None:
        self._log_odds = log_odds
        self.hypotheses: Sequence[str] = ()

    async def entail(self, text: str, hypotheses: Sequence[str]) -> Entailment:
        self.hypotheses = hypotheses
        return Entailment(self._log_odds, Usage(input_tokens=1))


async def test_entailment_decides() -> None:
    judge = Judge([-1.0, 2.0])
    result = await run(judge)
    assert (result.label, result.score_type) == ("food", "entailment")
    assert result.scores == {"sport": 0.0474, "food": 0.9526}
    assert judge.hypotheses == ["This text is about sport.", "This text is about food. meals and recipes"]
    assert (await run(Judge([1.0, 2.0]), multiple=True)).labels == ["food", "sport"]
    assert (await run(Judge([-1.0, -2.0]), allow_none=True)).label is None


class OwnLabels(FakeSmallModel):
    def __init__(self) -> None: ...

    async def classify(self, text: str) -> Classification:
        return Classification({"Sport": 0.3, "Food": 0.1, "Politics": 0.6}, Usage())


@pytest.mark.parametrize(
    ("fields", "labels", "scores"),
    [
        ({}, ["sport"], {"sport": 0.75, "food": 0.25}),
        ({"allow_none": True}, [], {"sport": 0.3, "food": 0.1}),
        ({"multiple": True, "labels": ["politics", "food"]}, ["politics"], {"politics": 0.6, "food": 0.1}),
    ],
)
async def test_classifier_has_its_own_labels(fields: Any, labels: list[str], scores: dict[str, float]) -> None:
    result = await run(OwnLabels(), **fields)
    assert (result.labels, result.score_type) == (labels, "probability")
    assert result.scores == pytest.approx(scores)
    with pytest.raises(Unsupported, match="has no label 'cooking'"):
        await run(OwnLabels(), labels=["sport", "cooking"])


class Likelihood(FakeSmallModel):
    def __init__(self) -> None: ...

    async def rank(self, text: str, continuations: Sequence[str]) -> Ranking:
        return Ranking([-1.0 if "onions" in text and "meals" in each else -4.0 for each in continuations], Usage())


async def test_small_model_finds_the_label_that_the_text_makes_likelier() -> None:
    result = await run(Likelihood(), allow_none=True)
    assert (result.label, result.score_type) == ("food", "likelihood")
    assert (await run(Likelihood(), text="Hm.", allow_none=True)).label is None
