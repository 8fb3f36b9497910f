"""Refusals of Azure and Google, and the failures for the caller."""

import traceback

import pytest

from carteiro.models.cloud.client import CloudModel
from carteiro.models.errors import (
    ContentFiltered,
    InvalidPrompt,
    Misconfigured,
    ModelError,
    PromptTooLarge,
    QuotaExhausted,
    RateLimited,
    Unavailable,
    Unsupported,
)
from tests.provider import Provider
from tests.provider.azure import AZURE
from tests.provider.gemini import GEMINI
from tests.unit.models.cloud.cloud_models import expect_failure, open_cloud_model

KEY = "qqzz-0123456789"

AZURE_FAILURES: dict[str, tuple[type[ModelError], str]] = {
    "content-filter": (ContentFiltered, "stopped the prompt"),
    "content-filter-inner-alone": (ContentFiltered, "stopped the prompt"),
    "wrong-key": (Misconfigured, "AZURE_OPENAI_API_KEY"),
    "no-role": (Misconfigured, "AZURE_OPENAI_API_KEY"),
    "firewall": (Misconfigured, "denies access"),
    "no-deployment": (Misconfigured, "the deployment's name, AZURE_OPENAI_ENDPOINT"),
    "no-resource": (Misconfigured, "OPENAI_API_VERSION"),
    "other-api": (Misconfigured, "?api=responses or ?api=completions"),
    "too-long": (PromptTooLarge, "8192 tokens"),
    "rate": (RateLimited, "rate limit"),
    "unpaid": (QuotaExhausted, "billing"),
    "overloaded": (Unavailable, "503"),
}
GEMINI_FAILURES: dict[str, tuple[type[ModelError], str]] = {
    "wrong-key": (Misconfigured, "GEMINI_API_KEY"),
    "wrong-key-in-other-words": (Misconfigured, "GEMINI_API_KEY"),
    "expired-token": (Misconfigured, "GEMINI_API_KEY"),
    "country": (Misconfigured, "denies access"),
    "no-permission": (Misconfigured, "GEMINI_API_KEY"),
    "no-model": (Misconfigured, "the model's name"),
    "invalid": (InvalidPrompt, "must be in [0, 2]"),
    "unknown-field": (Unsupported, '"seed"'),
    "too-long": (PromptTooLarge, "1048576"),
    "rate": (RateLimited, "rate limit"),
    "rate-vertex": (RateLimited, "rate limit"),
    "internal": (Unavailable, "500"),
    "overloaded": (Unavailable, "503"),
    "too-slow": (Unavailable, "504"),
}


@pytest.fixture
async def azure(provider: Provider):
    model = open_cloud_model("azure:my-gpt", AZURE_OPENAI_ENDPOINT=provider.root, AZURE_OPENAI_API_KEY=KEY)
    yield model
    await model.close()


@pytest.fixture
async def gemini(provider: Provider):
    model = open_cloud_model("google:gemini", GOOGLE_GEMINI_BASE_URL=provider.root, GEMINI_API_KEY=KEY)
    yield model
    await model.close()


def test_every_refusal_is_tested() -> None:
    assert set(AZURE_FAILURES) == set(AZURE)
    assert set(GEMINI_FAILURES) == set(GEMINI)


def check(raised: ModelError, kind: type[ModelError], words: str, provider: Provider) -> None:
    assert type(raised) is kind
    assert words in raised.message
    assert "secret" not in raised.message
    output = "".join(traceback.format_exception(raised))
    assert KEY not in output
    assert "one two three" not in output
    assert len(provider.requests) == 1, "nothing is tried twice"


@pytest.mark.parametrize("name", AZURE_FAILURES)
async def test_refusal_of_azure_is_a_typed_failure(name: str, provider: Provider, azure: CloudModel) -> None:
    status, body, headers = AZURE[name]
    provider.answer(body, status, **headers)
    check(await expect_failure(azure), *AZURE_FAILURES[name], provider)


@pytest.mark.parametrize("name", GEMINI_FAILURES)
async def test_refusal_of_gemini_is_a_typed_failure(name: str, provider: Provider, gemini: CloudModel) -> None:
    status, body, headers = GEMINI[name]
    provider.answer(body, status, **headers)
    check(await expect_failure(gemini), *GEMINI_FAILURES[name], provider)


async def test_retry_after_of_azure_and_gemini(provider: Provider, azure: CloudModel, gemini: CloudModel) -> None:
    for model, (status, body, headers), seconds in (
        (azure, AZURE["rate"], 6.5),
        (gemini, GEMINI["rate-vertex"], None),
        (gemini, GEMINI["rate"], 22.5),  # the last one, since the model's next call waits for it
    ):
        provider.answer(body, status, **headers)
        raised = await expect_failure(model)
        assert isinstance(raised, RateLimited)
        assert raised.retry_after == seconds


@pytest.mark.parametrize(
    "details",
    [
        None,
        "soon",
        [None, "soon"],
        [{"@type": "type.googleapis.com/google.rpc.RetryInfo"}],
        [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "soon"}],
        [{"@type": 7, "retryDelay": "7s"}],
    ],
)
async def test_invalid_details_do_no_harm(details: object, provider: Provider, gemini: CloudModel) -> None:
    provider.answer([{"error": {"code": 429, "message": None, "details": details}}], 429)
    raised = await expect_failure(gemini)
    assert isinstance(raised, RateLimited)
    assert raised.retry_after is None


@pytest.mark.parametrize("body", [[], [[]], ["no"], {"error": []}, {"error": {"message": ["no"], "code": {}}}])
async def test_unknown_error_body_is_a_failure(body: object, provider: Provider, gemini: CloudModel) -> None:
    provider.answer(body, 400)
    assert type(await expect_failure(gemini)) is InvalidPrompt


OPENAI_NOT_FOUND = [
    "This model is only supported in v1/responses and not in v1/chat/completions.",
    "This is not a chat model and thus not supported in the v1/chat/completions endpoint. Did you mean v1/completions?",
]


@pytest.mark.parametrize("message", OPENAI_NOT_FOUND)
async def test_wrong_api_names_the_other_apis(message: str, provider: Provider) -> None:
    model = open_cloud_model("openai:new", OPENAI_BASE_URL=provider.url, OPENAI_API_KEY=KEY)
    error = {"message": message, "type": "invalid_request_error", "param": "model", "code": None}
    provider.answer({"error": error}, 404)
    raised = await expect_failure(model)
    await model.close()
    assert isinstance(raised, Misconfigured)
    assert "?api=responses or ?api=completions" in raised.message


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("Unsupported parameter: 'stop' is not supported with this model.", "unsupported_parameter"),
        ("Unsupported value: 'temperature' does not support 0.2 with this model.", "unsupported_value"),
        ("Unknown parameter: 'seed'.", "unknown_parameter"),
        ("Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.", None),
        ("Unrecognized request argument supplied: seed", None),
    ],
)
async def test_unsupported_option_is_named(message: str, code: str | None, provider: Provider) -> None:
    model = open_cloud_model("openai:o3", OPENAI_BASE_URL=provider.url, OPENAI_API_KEY=KEY)
    provider.answer({"error": {"message": message, "type": "invalid_request_error", "code": code}}, 400)
    raised = await expect_failure(model)
    await model.close()
    assert type(raised) is Unsupported
    assert message in raised.message


async def test_no_redirect_takes_the_key_elsewhere(provider: Provider, azure: CloudModel) -> None:
    async with Provider() as elsewhere:
        provider.answer({}, 307, Location=f"{elsewhere.url}/chat/completions")
        raised = await expect_failure(azure)
        assert not elsewhere.requests
    assert isinstance(raised, Misconfigured)
    assert "HTTP status 307: check the deployment's name, AZURE_OPENAI_ENDPOINT" in raised.message


async def test_the_key_of_a_server_is_named(provider: Provider) -> None:
    model = open_cloud_model(f"{provider.url}#qwen3")
    provider.answer({"error": {"message": "Unauthorized"}}, 401)
    raised = await expect_failure(model)
    await model.close()
    assert "check CARTEIRO_SERVER_API_KEY" in raised.message
