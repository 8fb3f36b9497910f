"""Every fault of a provider is a failure that names the cause and contains no secret."""

import traceback

import pytest

from carteiro.models.cloud.client import CloudModel
from carteiro.models.cloud.errors import failure_of
from carteiro.models.errors import (
    ContentFiltered,
    InvalidOutput,
    InvalidPrompt,
    Misconfigured,
    ModelError,
    PromptTooLarge,
    QuotaExhausted,
    RateLimited,
    Refused,
    Unavailable,
    Unsupported,
)
from tests.provider import FAULTS, Provider
from tests.unit.models.cloud.cloud_models import HANGING_FAULTS, KEY, PROMPT, endpoint, expect_failure

pytestmark = pytest.mark.timeout(60)

FAILURES: dict[str, tuple[type[ModelError], str]] = {
    "400": (InvalidPrompt, "Expected a value <= 2, but got 3"),
    "400-long": (InvalidPrompt, "Something is wrong"),
    "422": (Unsupported, "Unexpected fields in the request: {'seed'}"),
    "422-list": (InvalidPrompt, "turned the request down"),
    "unsupported": (Unsupported, "'temperature' does not support 0.2"),
    "context": (PromptTooLarge, "8192 tokens"),
    "context-vllm": (PromptTooLarge, "8192 tokens"),
    "context-llama.cpp": (PromptTooLarge, "context size"),
    "413": (PromptTooLarge, "too large"),
    "filter-prompt": (ContentFiltered, "the prompt"),
    "filter-completion": (ContentFiltered, "the completion"),
    "refusal": (Refused, "declined"),
    "401": (Misconfigured, "OPENAI_API_KEY"),
    "401-as-400": (Misconfigured, "OPENAI_API_KEY"),
    "403": (Misconfigured, "OPENAI_API_KEY"),
    "404": (Misconfigured, "the model's name"),
    "404-as-400": (Misconfigured, "the model's name"),
    "405": (Misconfigured, "405"),
    "429": (RateLimited, "rate limit"),
    "429-ms": (RateLimited, "rate limit"),
    "429-date": (RateLimited, "rate limit"),
    "429-past": (RateLimited, "rate limit"),
    "429-nonsense": (RateLimited, "rate limit"),
    "429-silent": (RateLimited, "rate limit"),
    "quota": (QuotaExhausted, "billing"),
    "402": (QuotaExhausted, "billing"),
    "408": (Unavailable, "408"),
    "409": (Unavailable, "409"),
    "500": (Unavailable, "500"),
    "502": (Unavailable, "502"),
    "503": (Unavailable, "503"),
    "drop": (Unavailable, "connection"),
    "cut": (Unavailable, "connection"),
    "not-http": (Unavailable, ""),
    "not-json": (Unavailable, "not a completion"),
    "not-utf8": (Unavailable, "not a completion"),
    "html": (Unavailable, "not a completion"),
    "error-as-200": (Unavailable, ""),
    "no-choices": (Unavailable, "not a completion"),
    "no-message": (InvalidOutput, "without a text"),
    "error-half-way": (Unavailable, "'error'"),
    "no-content": (InvalidOutput, "without a text"),
    "tool-calls": (InvalidOutput, "tool"),
}
RETRYABLE = (RateLimited, Unavailable)


def test_every_fault_is_tested() -> None:
    assert set(FAULTS) == {*FAILURES, *HANGING_FAULTS, "length", "length-empty", "no-usage", "no-finish"}


@pytest.mark.parametrize("name", FAILURES)
async def test_a_fault_is_a_typed_failure(name: str, provider: Provider, model: CloudModel) -> None:
    kind, words = FAILURES[name]
    provider.next(name)
    raised = await expect_failure(model)

    assert type(raised) is kind
    assert words in raised.message
    assert raised.message.startswith("The ") or "openai:echo" in raised.message
    assert raised.retryable == (kind in RETRYABLE)
    assert len(provider.requests) == 1, "a call is not repeated here"


@pytest.mark.parametrize("name", FAILURES)
async def test_no_failure_contains_a_secret(name: str, provider: Provider, model: CloudModel) -> None:
    provider.next(name)
    raised = await expect_failure(model)

    output = "".join(traceback.format_exception(raised)) + repr(raised) + repr(model)
    for part in (KEY, KEY[:8], KEY[-4:]):
        assert part not in output
    assert "secret" not in raised.message, "an organisation or a project"
    assert "one two three" not in output, "a prompt"
    assert "Lisbon." not in output, "a completion"
    assert len(raised.message) < 400


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("429", 7.0),
        ("429-ms", 1.5),
        ("429-date", 90.0),
        ("429-past", 0.0),
        ("429-nonsense", None),
        ("429-silent", None),
        ("quota", None),
    ],
)
async def test_retry_after_of_each_fault(
    name: str, seconds: float | None, provider: Provider, model: CloudModel
) -> None:
    provider.next(name)
    raised = await expect_failure(model)
    assert isinstance(raised, RateLimited)
    assert raised.retry_after == seconds


async def test_a_refusal_carries_its_headers(provider: Provider, model: CloudModel) -> None:
    provider.answer({"error": {}}, 429, X_RateLimit_Remaining_Requests="0")
    raised = await expect_failure(model)
    assert isinstance(raised, RateLimited)
    assert raised.headers["x-ratelimit-remaining-requests"] == "0"


def test_unexpected_exception_is_unavailable() -> None:
    raised = failure_of(LookupError("sk-secret"), "openai:echo", endpoint("http://nowhere"))
    assert type(raised) is Unavailable
    assert raised.message == "The call of openai:echo failed (LookupError)"


async def test_harmless_cause_is_kept(provider: Provider, model: CloudModel) -> None:
    provider.next("500", "not-json", "401")
    assert "Error code: 500" in str((await expect_failure(model)).__cause__)
    assert (await expect_failure(model)).__cause__ is not None
    assert (await expect_failure(model)).__cause__ is None


async def test_the_next_call_is_not_harmed_by_a_fault(provider: Provider, model: CloudModel) -> None:
    provider.next("cut", "not-http", "drop")
    for _ in range(3):
        await expect_failure(model)
    assert (await model.complete(PROMPT)).text == "one two three"
