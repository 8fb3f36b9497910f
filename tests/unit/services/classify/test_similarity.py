"""Margins by the similarity of embeddings."""

from typing import Any

import pytest

from carteiro.schemas.classify import ClassifyRequest
from services.classify import similarity
from services.classify.similarity import LabelVectors, similarity_margins
from tests.unit.services.word_embedder import WordEmbedder, run_task

LABELS = [
    {"name": "ferry", "description": "boats and timetables"},
    {"name": "food", "examples": ["The soup was cold.", "Bread and fish."]},
]


async def test_text_gets_the_label_whose_description_or_examples_are_near() -> None:
    for text, label in (("timetables of boats", "ferry"), ("cold soup", "food")):
        result = (await run_task("classify", text=text, labels=LABELS)).result
        assert (result.label, result.labels, result.score_type) == (label, [label], "similarity")
        assert sum(result.scores.values()) == pytest.approx(1, abs=0.001)


async def test_text_that_is_near_to_no_label_has_none() -> None:
    result = (await run_task("classify", text="goats", labels=LABELS, allow_none=True)).result
    assert (result.label, result.labels) == (None, [])


async def test_long_text_is_read_to_its_end() -> None:
    result = (await run_task("classify", text="the goats. " * 40 + "soup " * 40, labels=LABELS)).result
    assert result.label == "food"


async def test_label_is_embedded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model, vectors = WordEmbedder(), LabelVectors()

    async def tokens(*labels: Any) -> int:
        request = ClassifyRequest.model_validate({"text": "boats", "labels": list(labels), "multiple": True})
        return (await similarity_margins(model, vectors, request.text, request.descriptions))[1].input_tokens

    assert await tokens(*LABELS) > 1
    assert await tokens(*LABELS) == 1
    assert await tokens(LABELS[1], {"name": "ferry"}) > 1, "another description is another label"
    monkeypatch.setattr(similarity, "_MAX_CACHED", 2)
    await tokens("a", "b", "c", "d")
    assert len(vectors._cache) <= 3
