"""The embedding models of collections, which embed questions."""

import asyncio

import pytest

from carteiro.models.errors import Misconfigured, Unavailable
from carteiro.models.settings import ModelSettings
from carteiro.retrieval.collection import EmbeddingSettings
from carteiro.worker.model_calls import question_models
from carteiro.worker.model_calls.question_models import QuestionModels
from tests.provider import Provider
from tests.provider.embeddings import vector
from tests.unit.services.word_embedder import WordEmbedder
from tests.unit.worker.failing_model import FailingEmbedder, usage_meter


def embedding(model: str, dimensions: int = 256) -> EmbeddingSettings:
    return EmbeddingSettings(model, dimensions, 20, 3)


async def test_model_of_the_worker_is_used_and_metered():
    meter, models = usage_meter(), QuestionModels(ModelSettings(), [WordEmbedder()])
    found = await models.embed(embedding("words"), "ferry at nine", meter)
    assert len(found) == 256
    assert meter.usage.input_tokens == 3
    await models.close()


async def test_question_that_is_longer_than_the_models_context_is_embedded():
    models = QuestionModels(ModelSettings(), [WordEmbedder()])
    assert len(await models.embed(embedding("words"), "ferry " * 100, usage_meter())) == 256


async def test_remote_model_is_opened_once_and_metered(provider: Provider):
    name, meter = f"{provider.url}#vectors", usage_meter()
    models = QuestionModels(ModelSettings())
    questions = [f"question {number}" for number in range(5)]
    found = await asyncio.gather(*(models.embed(embedding(name, 16), each, meter) for each in questions))
    assert [list(each) for each in found] == [pytest.approx(vector(each, 16), abs=1e-6) for each in questions]
    assert meter.usage.input_tokens == 10
    assert len(models._models) == 1
    await models.close()


async def test_failed_call_is_tried_again():
    model = FailingEmbedder(Unavailable("away"), name="test:vectors")
    models = QuestionModels(ModelSettings(), [model])
    assert list(await models.embed(embedding("test:vectors", 1), "x", usage_meter())) == [1.0]
    assert model.texts == [["x"], ["x"]]


@pytest.mark.parametrize("name", ["nothing:x", "local:no-such-model-here"])
async def test_model_that_cannot_be_used_is_named(name):
    models = QuestionModels(ModelSettings())
    with pytest.raises(Misconfigured, match="the collection's embedding model cannot be used"):
        await models.embed(embedding(name), "x", usage_meter())


async def test_model_that_does_not_embed_is_refused(monkeypatch):
    class Chats(WordEmbedder):
        embed = None

    monkeypatch.setattr(question_models, "open_model", lambda *_: Chats())
    monkeypatch.setattr(question_models, "EmbeddingModel", FailingEmbedder)
    with pytest.raises(Misconfigured, match="does not embed texts"):
        await QuestionModels(ModelSettings()).embed(embedding("x:y"), "x", usage_meter())
