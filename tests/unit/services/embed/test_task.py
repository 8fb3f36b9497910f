"""The embed task, on the packaged model and on models with other limits."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from carteiro.models.errors import PromptTooLarge
from carteiro.models.interface import ChatModel, EmbeddingModel, Model
from carteiro.models.registry import open_model
from carteiro.models.results import Embeddings
from carteiro.models.settings import ModelSettings
from carteiro.schemas import Usage
from carteiro.schemas.embed import EmbedRequest
from services.embed.task import task


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def minilm() -> AsyncIterator[Model]:
    model = open_model(task.default_model, ModelSettings(), task.abilities)
    await model.load()
    yield model
    await model.close()


class Asked(EmbeddingModel):
    """Records what it is asked for."""

    name, remote, is_small, context_tokens = "asked", False, True, 8

    async def embed(self, texts, *, input_type=None, dimensions=None):
        self.asked = (texts, input_type, dimensions)
        return Embeddings([[1 / 3, -1e-9, 0.1234567891]] * len(texts), Usage(input_tokens=4))


async def test_similar_texts_have_near_vectors(minilm):
    texts = ["The ferry leaves at nine.", "A boat departs at 9 o'clock.", "Rye bread is baked here."]
    output = await task.run(EmbedRequest(texts=texts), minilm)
    boat, ship, bread = output.result.vectors
    near, far = (sum(one * other for one, other in zip(boat, each, strict=True)) for each in (ship, bread))
    assert near > 0.6 > 0.2 > far
    assert output.result.dimensions == len(boat) == 384
    assert output.usage.input_tokens > 20


async def test_full_request_fits_a_record_of_1_mib(minilm):
    output = await task.run(EmbedRequest(texts=[f"Parcel {number} is late." for number in range(256)]), minilm)
    assert len(output.result.model_dump_json()) < 1_040_000


async def test_options_go_to_the_model_and_numbers_are_short():
    model = Asked()
    output = await task.run(EmbedRequest(texts=["a", "b"], input_type="query", dimensions=3), model)
    assert model.asked == (["a", "b"], "query", 3)
    assert output.result.model_dump_json() == (
        '{"vectors":[[0.333333,-0.0,0.123457],[0.333333,-0.0,0.123457]],"dimensions":3}'
    )


@pytest.mark.parametrize("long", ["word " * 300, "word " * 200_000])
async def test_long_text_is_named_and_not_cut(minilm, long):
    with pytest.raises(PromptTooLarge, match=r"^text 1, counted from 0, has \d+ tokens; local:minilm reads 254$"):
        await task.run(EmbedRequest(texts=["short", long]), minilm)


def test_chat_model_is_no_model_of_the_task():
    assert ChatModel not in task.abilities
    assert not task.shares_model
