"""Cross-encoders, compared with direct calls of Transformers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from carteiro.models.errors import PromptTooLarge
from carteiro.models.interface import ClassifierModel, EmbeddingModel, RerankModel
from carteiro.models.local.transformers.cross_encoder import LocalCrossEncoder
from tests.unit.models.local.transformers.tiny_bert import save_tiny_bert

QUERY = "When does the ferry leave?"
TEXTS = ["The ferry leaves at nine.", "ok", "The market opens in May, and has forty stalls of bread and fish.", ""]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT with random weights and one label, with the packaged embedder's tokenizer."""
    return save_tiny_bert(tmp_path_factory.mktemp("cross-encoder"), num_labels=1)


@pytest.fixture
async def model(directory: Path, load: Callable[..., Any]) -> LocalCrossEncoder:
    loaded = await load(directory)
    assert isinstance(loaded, LocalCrossEncoder)
    return loaded


def test_cross_encoder_reranks_and_does_nothing_else(model: LocalCrossEncoder) -> None:
    assert isinstance(model, RerankModel)
    assert not isinstance(model, ClassifierModel | EmbeddingModel)


async def test_scores_equal_transformers(model: LocalCrossEncoder, directory: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(directory)
    plain = AutoModelForSequenceClassification.from_pretrained(directory).eval()
    expected = []
    for text in TEXTS:
        encoded = tokenizer(QUERY, text, truncation="only_second", max_length=32, return_tensors="pt")
        with torch.inference_mode():
            expected.append(plain(**encoded).logits.item())
    found = await model.score(QUERY, TEXTS)
    assert list(found.scores) == pytest.approx(expected, abs=1e-4)
    assert len({round(score, 3) for score in found.scores}) == len(TEXTS)
    assert found.usage.input_tokens == sum(
        len(tokenizer(QUERY, text, truncation="only_second", max_length=32)["input_ids"]) for text in TEXTS
    )


async def test_long_text_is_read_up_to_the_models_limit(model: LocalCrossEncoder) -> None:
    found = await model.score(QUERY, ["ferry " * 500, "ferry " * 25])
    assert found.scores[0] == pytest.approx(found.scores[1], abs=1e-4)
    assert found.usage.input_tokens == 64
    assert model.count_tokens("ferry " * 500) == 500, "the tokenizer is not left with a limit"


async def test_no_texts_have_no_scores(model: LocalCrossEncoder) -> None:
    assert list((await model.score(QUERY, [])).scores) == []


async def test_query_without_room_for_a_text_is_rejected(model: LocalCrossEncoder) -> None:
    with pytest.raises(PromptTooLarge, match=r"the query has 30 tokens; .* reads 32"):
        await model.score("ferry " * 30, ["x"])
