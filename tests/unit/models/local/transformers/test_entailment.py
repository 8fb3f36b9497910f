"""Models of natural language inference, compared with direct calls of Transformers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertConfig

from carteiro.models.errors import PromptTooLarge
from carteiro.models.interface import ClassifierModel, EntailmentModel
from carteiro.models.local.transformers.classifier import LocalClassifier
from carteiro.models.local.transformers.entailment import LocalEntailmentModel, judges_entailment
from tests.unit.models.local.transformers.tiny_bert import save_tiny_bert

TEXT = "The ferry leaves at nine."
HYPOTHESES = ["This text is about boats.", "Food."]
LABELS = ["contradiction", "neutral", "ENTAILMENT"]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT with random weights and the labels of NLI, with the packaged embedder's tokenizer."""
    return save_tiny_bert(
        tmp_path_factory.mktemp("entailment"),
        id2label=dict(enumerate(LABELS)),
        label2id={label: number for number, label in enumerate(LABELS)},
    )


@pytest.fixture
async def model(directory: Path, load: Callable[..., Any]) -> LocalEntailmentModel:
    loaded = await load(directory)
    assert isinstance(loaded, LocalEntailmentModel)
    return loaded


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["entailment", "neutral", "contradiction"], True),
        (["not_entailment", "entailment"], True),
        (["ENTAILMENT", "NOT_ENTAILMENT"], True),
        (["positive", "negative"], False),
        (["entailment", "other"], False),
    ],
)
def test_labels_tell_a_model_of_inference(labels: list[str], expected: bool) -> None:
    assert judges_entailment(BertConfig(id2label=dict(enumerate(labels)))) is expected


def test_model_judges_and_has_no_labels_of_its_own(model: LocalEntailmentModel) -> None:
    assert isinstance(model, EntailmentModel)
    assert not isinstance(model, ClassifierModel | LocalClassifier)


async def test_log_odds_equal_transformers(model: LocalEntailmentModel, directory: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(directory)
    plain = AutoModelForSequenceClassification.from_pretrained(directory).eval()
    expected = []
    for hypothesis in HYPOTHESES:
        with torch.inference_mode():
            logits = plain(**tokenizer(TEXT, hypothesis, return_tensors="pt")).logits[0]
        expected.append((logits[2] - logits[0]).item())
    found = await model.entail(TEXT, HYPOTHESES)
    assert list(found.log_odds) == pytest.approx(expected, abs=1e-4)
    assert found.usage.input_tokens == sum(len(tokenizer(TEXT, each)["input_ids"]) for each in HYPOTHESES)


async def test_long_text_is_judged_by_its_best_part(model: LocalEntailmentModel) -> None:
    texts = [
        "The ferry leaves at nine in the morning, and the market opens at ten.",
        "Bread and fish are sold in forty stalls by the river in May.",
    ]
    parts = [await model.entail(text, HYPOTHESES) for text in texts]
    whole = await model.entail("\n\n".join(texts), HYPOTHESES)
    best = [max(odds) for odds in zip(*(each.log_odds for each in parts), strict=True)]
    assert list(whole.log_odds) == pytest.approx(best, abs=1e-4)


async def test_hypothesis_without_room_for_the_text_is_rejected(model: LocalEntailmentModel) -> None:
    with pytest.raises(PromptTooLarge, match=r"a label has 30 tokens; .* reads 32"):
        await model.entail(TEXT, ["ferry " * 30])
    assert list((await model.entail(TEXT, [])).log_odds) == []
