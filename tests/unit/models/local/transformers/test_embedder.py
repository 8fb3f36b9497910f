"""Embedding models, compared with Sentence Transformers and with direct calls of Transformers."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel

from carteiro.models.errors import ModelUnusable, PromptTooLarge, Unsupported
from carteiro.models.interface import EmbeddingModel
from carteiro.models.local.checkpoints.checkpoint import PACKAGED_EMBEDDER, find_checkpoint
from carteiro.models.local.transformers.embedder import LocalEmbedder
from carteiro.models.local.transformers.factory import create_model
from carteiro.models.long_text_embedding import embed_long_texts
from carteiro.models.prompt import InputType
from tests.unit.models.local import toy_tokenizers

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


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> Callable[..., Path]:
    """Function that saves a tiny BERT with random weights, as Sentence Transformers saves models."""

    def save(pooling: str, *, normalizes: bool = True, **stored: Any) -> Path:
        directory = tmp_path_factory.mktemp("bert")
        tokenizer = toy_tokenizers.bert([*TEXTS, "query: passage:"])
        torch.manual_seed(4)
        config = BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=64,
            max_position_embeddings=128,
            initializer_range=0.5,
            **stored.pop("config", {}),
        )
        BertModel(config).save_pretrained(directory / "bert")
        tokenizer.save_pretrained(directory / "bert")
        modules = [Transformer(str(directory / "bert")), Pooling(32, pooling), *([Normalize()] if normalizes else [])]
        SentenceTransformer(modules=modules, device="cpu", **stored).save(str(directory / "saved"))
        return directory / "saved"

    return save


def distance(vectors: Any, expected: Any) -> float:
    return float((torch.tensor(vectors) - torch.as_tensor(expected)).abs().max())


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("normalizes", [True, False])
async def test_vectors_equal_those_of_sentence_transformers(toy, load, pooling, normalizes):
    directory = toy(pooling, normalizes=normalizes)
    embedded = await (await load(directory)).embed(TEXTS)
    expected = SentenceTransformer(str(directory), device="cpu").encode(TEXTS, normalize_embeddings=True)
    assert distance(embedded.vectors, expected) < 1e-5


async def test_packaged_model_equals_sentence_transformers(minilm, packaged):
    expected = SentenceTransformer(str(packaged), device="cpu").encode(TEXTS)
    assert distance((await minilm.embed(TEXTS)).vectors, expected) < 1e-5


@pytest.mark.parametrize(("input_type", "prompt"), [("query", "query"), ("document", "passage"), (None, None)])
async def test_input_type_chooses_the_prompt(toy, load, input_type: InputType | None, prompt: str | None):
    directory = toy("mean", prompts={"query": "query: ", "passage": "passage: "})
    model = await load(directory)
    reference = SentenceTransformer(str(directory), device="cpu")
    embedded = await model.embed(TEXTS, input_type=input_type)
    assert distance(embedded.vectors, reference.encode(TEXTS, prompt_name=prompt)) < 1e-5
    plain = await model.embed(TEXTS)
    assert (embedded == plain) is (prompt is None)


async def test_matryoshka_model_has_shorter_vectors_of_length_1(toy, load):
    directory = toy("cls", config={"is_matryoshka": True})
    model = await load(directory)
    short, whole = await asyncio.gather(model.embed(TEXTS, dimensions=8), model.embed(TEXTS))
    reference = SentenceTransformer(str(directory), device="cpu")
    assert distance(short.vectors, reference.encode(TEXTS, truncate_dim=8, normalize_embeddings=True)) < 1e-5
    assert {len(vector) for vector in whole.vectors} == {32}
    with pytest.raises(Unsupported, match="at most 32"):
        await model.embed(TEXTS, dimensions=33)


async def test_other_size_than_the_model_has_is_rejected(minilm):
    assert len((await minilm.embed(["ok"], dimensions=384)).vectors[0]) == 384
    with pytest.raises(Unsupported, match="local:minilm has only vectors of 384 dimensions"):
        await minilm.embed(["ok"], dimensions=128)


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
    with pytest.raises(PromptTooLarge, match=r"^text 1, counted from 0, has 255 tokens; local:minilm reads 254"):
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
