"""Embedding models, compared with direct calls of Transformers."""

import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import torch
from transformers import AutoModel, AutoTokenizer

from carteiro.models.errors import ModelUnusable, PromptTooLarge
from carteiro.models.interface import EmbeddingModel
from carteiro.models.local.checkpoints.checkpoint import PACKAGED_EMBEDDER, find_checkpoint
from carteiro.models.local.transformers.embedder import LocalEmbedder
from carteiro.models.local.transformers.factory import create_model
from carteiro.models.long_text_embedding import embed_long_texts

TEXTS = [
    "The library opens at nine.",
    "A biblioteca abre às nove.",
    "ok",
    "Rowing clubs in the north race on the river every spring, whatever the weather is like on the day.",
]


@pytest.fixture(scope="module")
def packaged() -> Path:
    return Path(find_checkpoint(PACKAGED_EMBEDDER).location)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def minilm(packaged) -> AsyncIterator[LocalEmbedder]:
    model = create_model("local:minilm", find_checkpoint(PACKAGED_EMBEDDER), 120)
    assert isinstance(model, LocalEmbedder)
    await model.load()
    yield model
    await model.close()


def reference(directory: Path, text: str) -> torch.Tensor:
    """Return the normalised mean of the token vectors of one text."""
    tokenizer, model = AutoTokenizer.from_pretrained(directory), AutoModel.from_pretrained(directory).eval()
    with torch.inference_mode():
        hidden = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(0)
    return hidden / hidden.norm()


async def test_vectors_equal_unbatched_transformers(minilm, packaged):
    embedded = await minilm.embed(TEXTS)
    assert isinstance(minilm, EmbeddingModel)
    assert embedded.usage.input_tokens == sum(minilm.count_tokens(text) + 2 for text in TEXTS)
    for text, vector in zip(TEXTS, embedded.vectors, strict=True):
        assert len(vector) == 384
        assert torch.allclose(torch.tensor(vector), reference(packaged, text), atol=1e-5)


async def test_empty_list_gives_no_vectors(minilm):
    assert (await minilm.embed([])).vectors == []


async def test_too_long_text_is_rejected_and_not_cut(minilm):
    assert len((await minilm.embed(["word " * minilm.context_tokens])).vectors) == 1
    with pytest.raises(PromptTooLarge, match=r"255 tokens; local:minilm reads 254"):
        await minilm.embed(["short", "word " * (minilm.context_tokens + 1)])


async def test_vector_of_long_text_has_length_1(minilm):
    long = "The harbour is closed. " * 200
    embedded = await embed_long_texts(minilm, ["The harbour is closed.", long])
    assert sum(value * value for value in embedded.vectors[1]) == pytest.approx(1)
    near = sum(one * other for one, other in zip(*embedded.vectors, strict=True))
    assert near > 0.5


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("modules.json", None, "does not say how its vectors are made"),
    ],
)
async def test_model_with_unknown_pooling_is_rejected(packaged, tmp_path, file, content, message):
    directory = tmp_path / "model"
    shutil.copytree(packaged, directory)
    if content is None:
        (directory / file).unlink()
    else:
        (directory / file).write_text(json.dumps(content))
    model = create_model("local:other", find_checkpoint(str(directory)), 120)
    with pytest.raises(ModelUnusable, match=message):
        await model.load()
    await model.close()
