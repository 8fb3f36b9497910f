"""Embedding models behind the local provider, with its faults and the limits of real servers."""

import asyncio
import json
import math
from collections.abc import AsyncIterator

import pytest

from carteiro.models.cloud.batch_api.interface import BatchModel
from carteiro.models.cloud.embedder import CloudEmbedder
from carteiro.models.cloud.embedding_format import EmbeddingFormat
from carteiro.models.cloud.endpoint import BatchAddress
from carteiro.models.cloud.quota import Quota, QuotaController
from carteiro.models.errors import (
    ContentFiltered,
    InvalidOutput,
    InvalidPrompt,
    Misconfigured,
    ModelError,
    PromptTooLarge,
    QuotaExhausted,
    RateLimited,
    Unavailable,
    Unsupported,
)
from carteiro.models.interface import ChatModel, RemoteEmbeddingModel
from carteiro.models.prompt import EmbeddingPrompt
from carteiro.models.results import Embeddings
from carteiro.schemas import Usage
from tests.provider import Provider
from tests.provider.embeddings import google, openai, openai_tokens, text_embeddings_inference, vector
from tests.unit.models.cloud.cloud_models import KEY, endpoint, open_cloud_embedder

pytestmark = pytest.mark.timeout(60)
TEXTS = ["one two three", "four", "cinco"]


@pytest.fixture
async def embedder(provider: Provider) -> AsyncIterator[CloudEmbedder]:
    model = CloudEmbedder(
        "openai:small",
        endpoint(provider.url, model="small", embeddings=EmbeddingFormat(True, max_texts=256)),
        timeout=30,
    )
    yield model
    await model.close()


def assert_vectors(embedded: Embeddings, texts: list[str], dimensions: int = 8) -> None:
    for found, text in zip(embedded.vectors, texts, strict=True):
        assert found == pytest.approx(vector(text, dimensions), abs=1e-6)


async def failure(model: CloudEmbedder, *texts: str, **options) -> ModelError:
    with pytest.raises(ModelError) as caught:
        await model.embed(texts or TEXTS, **options)
    return caught.value


async def test_vectors_come_from_one_call(provider: Provider, embedder: CloudEmbedder):
    await embedder.load()
    assert isinstance(embedder, RemoteEmbeddingModel)
    assert not isinstance(embedder, ChatModel)
    embedded = await embedder.embed(TEXTS)
    assert_vectors(embedded, TEXTS)
    assert embedded.usage == Usage(input_tokens=5)
    (request,) = provider.requests
    assert request.path == "/v1/embeddings"
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert request.body == {"model": "small", "input": TEXTS, "encoding_format": "base64"}


@pytest.mark.parametrize(("google", "has_batches"), [(None, True), ("https://google.test", False)])
async def test_batches_are_those_of_the_embeddings_api(google: str | None, has_batches: bool):
    address = BatchAddress(url="http://provider.test/v1", google_files=google)
    model = CloudEmbedder("openai:m", endpoint("http://provider.test/v1", batches=address), timeout=30)
    assert isinstance(model, BatchModel)
    assert (model.batches is not None) is has_batches
    if model.batches is not None:
        line = json.loads(model.batches.encode_line("1-a-0", model.body(EmbeddingPrompt(texts=TEXTS, dimensions=3))))
        assert (line["url"], line["body"]) == ("/v1/embeddings", {"model": "echo", "input": TEXTS, "dimensions": 3})
    await model.close()


async def test_no_texts_cost_no_call(provider: Provider, embedder: CloudEmbedder):
    assert await embedder.embed([]) == Embeddings([], Usage())
    assert provider.requests == []


async def test_size_is_asked_for(provider: Provider, embedder: CloudEmbedder):
    assert_vectors(await embedder.embed(TEXTS, dimensions=3, input_type="query"), TEXTS, 3)
    assert provider.requests[0].body["dimensions"] == 3
    assert "input_type" not in provider.requests[0].body


@pytest.mark.parametrize(
    ("name", "settings", "path", "query"),
    [
        ("openai:m", {"openai_api_key": "k", "openai_base_url": "{root}/v1"}, "/v1/embeddings", {}),
        (
            "azure:m",
            {"azure_openai_endpoint": "{root}", "azure_openai_api_key": "k"},
            "/openai/v1/embeddings",
            {},
        ),
        (
            "azure:gpt-5-pro",
            {
                "azure_openai_endpoint": "{root}",
                "azure_openai_api_key": "k",
                "openai_api_version": "2024-10-21",
            },
            "/openai/deployments/gpt-5-pro/embeddings",
            {"api-version": "2024-10-21"},
        ),
        ("google:m", {"gemini_api_key": "k", "google_gemini_base_url": "{root}"}, "/v1beta/openai/embeddings", {}),
        ("{root}/v1#m", {}, "/v1/embeddings", {}),
    ],
)
async def test_address_is_that_of_the_provider(provider: Provider, name, settings, path, query):
    given = {key: value.format(root=provider.root) for key, value in settings.items()}
    model = open_cloud_embedder(name.format(root=provider.root), **given)
    assert_vectors(await model.embed(TEXTS), TEXTS)
    (request,) = provider.requests
    assert (request.path, request.query) == (path, query)
    assert ("encoding_format" in request.body) is name.startswith(("openai", "azure"))
    await model.close()


@pytest.mark.parametrize(
    ("limit", "most"), [(text_embeddings_inference, 32), (google, 100), (lambda texts: openai_tokens(texts, 100), 100)]
)
async def test_limit_of_a_server_is_found_and_kept(provider: Provider, embedder: CloudEmbedder, limit, most):
    texts = [f"text{number}" for number in range(256)]
    provider.embedding_limit = limit
    assert_vectors(await embedder.embed(texts), texts)
    provider.requests.clear()
    assert (await embedder.embed(texts)).usage == Usage(input_tokens=256)
    assert max(len(request.body["input"]) for request in provider.requests) <= most


async def test_too_long_text_is_named(provider: Provider, embedder: CloudEmbedder):
    provider.embedding_limit = openai
    error = await failure(embedder, "short", "word " * 30, "short")
    assert isinstance(error, PromptTooLarge)
    assert error.message.startswith("Text 1, counted from 0: The prompt does not fit the context of openai:small")
    assert embedder.batch_limit.texts == 256


async def test_rejected_encoding_is_left_out_from_then_on(provider: Provider, embedder: CloudEmbedder):
    refusal = "litellm.UnsupportedParamsError: gemini does not support parameters: {'encoding_format': 'base64'}"
    provider.answer({"error": {"message": refusal, "type": None, "param": None, "code": "400"}}, 400)
    assert_vectors(await embedder.embed(TEXTS), TEXTS)
    assert_vectors(await embedder.embed(TEXTS), TEXTS)
    assert ["encoding_format" in request.body for request in provider.requests] == [True, False, False]


async def test_required_input_type_is_sent_from_then_on(provider: Provider, embedder: CloudEmbedder):
    refusal = {"error": {"message": "'input_type' parameter is required", "type": "invalid_request_error"}}
    provider.answer(refusal, 400)
    await embedder.embed(TEXTS, input_type="document")
    assert [request.body.get("input_type") for request in provider.requests] == [None, "passage"]
    provider.answer(refusal, 400)
    assert "input_type" in (await failure(embedder)).message


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": 0, "total_tokens": 0}, {"prompt_tokens": "many"}])
async def test_missing_usage_is_estimated(provider: Provider, embedder: CloudEmbedder, usage):
    provider.answer({"data": [{"embedding": [3.0, 4.0], "index": 0}], "usage": usage})
    embedded = await embedder.embed(["four"])
    assert embedded == Embeddings([[0.6, 0.8]], Usage(input_tokens=embedder.count_tokens("four")))


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("401", Misconfigured),
        ("429", RateLimited),
        ("quota", QuotaExhausted),
        ("500", Unavailable),
        ("503", Unavailable),
        ("drop", Unavailable),
        ("not-json", Unavailable),
        ("html", Unavailable),
        ("error-as-200", Unavailable),
        ("no-choices", InvalidOutput),
        ("400", InvalidPrompt),
        ("context", PromptTooLarge),
    ],
)
async def test_fault_of_the_provider_has_its_error(provider: Provider, embedder: CloudEmbedder, fault, expected):
    provider.next(fault)
    assert type(await failure(embedder, "four")) is expected


async def test_dimensions_that_the_model_lacks_are_no_fault_of_a_text(provider: Provider, embedder: CloudEmbedder):
    for message in ("This model does not support specifying dimensions.", "Model does not support matryoshka"):
        provider.requests.clear()
        provider.answer({"error": {"message": message, "type": "invalid_request_error", "param": None}}, 400)
        assert isinstance(await failure(embedder, dimensions=3), Unsupported | InvalidPrompt)
        assert len(provider.requests) == 1


async def test_vectors_that_cannot_be_used_are_paid_for(provider: Provider, embedder: CloudEmbedder):
    provider.answer({"data": [{"embedding": [0.0], "index": 0}], "usage": {"prompt_tokens": 7, "total_tokens": 7}})
    error = await failure(embedder, "four")
    assert (type(error), error.usage) == (InvalidOutput, Usage(input_tokens=7))


async def test_large_answer_is_read(provider: Provider, embedder: CloudEmbedder):
    texts = [f"text{number}" for number in range(64)]
    embedded = await embedder.embed(texts, dimensions=2048)
    assert {len(each) for each in embedded.vectors} == {2048}
    assert all(math.hypot(*each) == pytest.approx(1, abs=2e-6) for each in embedded.vectors)


async def test_calls_wait_for_the_quota(provider: Provider):
    quota = Quota(QuotaController(None, 1000))
    model = CloudEmbedder("openai:m", endpoint(provider.url), timeout=30, quota=quota)
    provider.next("429")
    assert isinstance(await failure(model, "four"), RateLimited)
    assert model.retry_after_seconds > 0
    await model.close()


async def test_short_calls_at_once_share_calls_and_a_wrong_text_fails_only_its_own(
    provider: Provider, embedder: CloudEmbedder
):
    provider.embedding_limit = lambda texts: openai(texts, 3)
    texts = [f"text {number}" for number in range(30)]
    texts[7] = "one two three four"
    results = await asyncio.gather(*(embedder.embed([text]) for text in texts), return_exceptions=True)
    assert [isinstance(each, PromptTooLarge) for each in results] == [text == texts[7] for text in texts]
    assert all(isinstance(each, Embeddings) for index, each in enumerate(results) if index != 7)
    assert len(provider.requests) < 15


async def test_filtered_text_is_named(provider: Provider, embedder: CloudEmbedder):
    body = {"error": {"code": "content_filter", "message": "The response was filtered", "status": 400}}
    provider.embedding_limit = lambda texts: (400, body) if "four" in texts else None
    error = await failure(embedder)
    assert isinstance(error, ContentFiltered)
    assert error.message.startswith("Text 1, counted from 0: ")
