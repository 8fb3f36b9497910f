"""Vectors from a real server that speaks the OpenAI API: that of llama.cpp, with the packaged SmolLM2."""

import asyncio
import math
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
import xllamacpp

from carteiro.models.cloud.embedder import CloudEmbedder
from carteiro.models.errors import PromptTooLarge, Unsupported
from carteiro.models.local.checkpoints.checkpoint import PACKAGED_MODEL, find_checkpoint
from tests.unit.models.cloud.cloud_models import open_cloud_embedder

TEXTS = ["The ferry leaves at nine.", "A boat goes in the morning.", "Rye bread is baked here."]
_MEAN_POOLING = 1


def start_server() -> xllamacpp.Server:
    params = xllamacpp.CommonParams()
    params.model.path = str(find_checkpoint(PACKAGED_MODEL).gguf_path)
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.embedding, params.pooling_type = True, _MEAN_POOLING
    params.n_parallel, params.n_ctx, params.n_batch, params.n_ubatch = 2, 256, 128, 128
    params.verbosity = -1
    return xllamacpp.Server(params)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def embedder() -> AsyncIterator[CloudEmbedder]:
    server = await asyncio.to_thread(start_server)
    model = open_cloud_embedder(f"{server.listening_address}/v1#smollm2")
    yield model
    await model.close()


async def test_vectors_have_length_1_also_in_base64(embedder: CloudEmbedder):
    numbers = await embedder.embed(TEXTS)
    assert [math.hypot(*vector) for vector in numbers.vectors] == pytest.approx([1, 1, 1], abs=1e-6)
    assert numbers.usage.input_tokens > 10
    embedder._format = replace(embedder._format, base64=True)
    coded = await embedder.embed(TEXTS)
    embedder._format = replace(embedder._format, base64=False)
    for one, other in zip(numbers.vectors, coded.vectors, strict=True):
        assert one == pytest.approx(other, abs=1e-6)


async def test_text_longer_than_the_context_is_named(embedder: CloudEmbedder):
    with pytest.raises(PromptTooLarge, match="^Text 1, counted from 0: "):
        await embedder.embed(["short", "word " * 400])


async def test_size_that_the_server_ignores_is_reported(embedder: CloudEmbedder):
    with pytest.raises(Unsupported, match="gave vectors of 576 dimensions, not of 16"):
        await embedder.embed(["a"], dimensions=16)
