"""Every fault of a provider is a failure that says what is wrong, and tells no secret."""

import traceback

import pytest

from carteiro.models.cloud.client import CloudModel
from carteiro.models.cloud.errors import failure_of
from carteiro.models.failures import (
    ContentFiltered,
    InvalidOutput,
    InvalidPrompt,
    Misconfigured,
    ModelFailure,
    PromptTooLarge,
    QuotaExhausted,
    RateLimited,
    Refused,
    Unavailable,
    Unsupported,
)
from tests.provider import FAULTS, Provider
from tests.unit.models.cloud.asking import ENDLESS, KEY, PROMPT, endpoint, failure

pytestmark = pytest.mark.timeout(60)

FAILURES: dict[str, tuple[type[ModelFailure], str]] = {
    "400": (InvalidPrompt, "Expected a value <= 2, but got 3"),
    "400-long": (InvalidPrompt, "Something is wrong"),
    "422": (InvalidPrompt, "Unexpected fields in the request: {'seed'}"),
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
    "error-as-200": (Unavailable, "not a completion"),
    "no-choices": (Unavailable, "not a completion"),
    "no-message": (Unavailable, "not a completion"),
    "no-finish": (Unavailable, "not a completion"),
    "error-half-way": (Unavailable, "'error'"),
    "no-content": (InvalidOutput, "without a text"),
    "tool-calls": (InvalidOutput, "tool"),
}
RETRYABLE = (RateLimited, Unavailable)


def test_no_fault_is_left_out() -> None:
    assert set(FAULTS) == {*FAILURES, *ENDLESS, "length", "length-empty", "no-usage"}


@pytest.mark.parametrize("name", FAILURES)
async def test_a_fault_is_a_typed_failure(name: str, provider: Provider, model: CloudModel) -> None:
    kind, words = FAILURES[name]
    provider.next(name)
    raised = await failure(model)

    assert type(raised) is kind
    assert words in raised.message
    assert raised.message.startswith("The ") or "openai:echo" in raised.message
    assert raised.retryable == (kind in RETRYABLE)
    assert len(provider.requests) == 1, "a call is not repeated here"


@pytest.mark.parametrize("name", FAILURES)
async def test_no_failure_tells_a_secret(name: str, provider: Provider, model: CloudModel) -> None:
    provider.next(name)
    raised = await failure(model)

    told = "".join(traceback.format_exception(raised)) + repr(raised) + repr(model)
    for part in (KEY, KEY[:8], KEY[-4:]):
        assert part not in told
    assert "secret" not in raised.message, "an organisation or a project"
    assert "one two three" not in told, "a prompt"
    assert "Lisbon." not in told, "a completion"
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
async def test_how_long_to_wait(name: str, seconds: float | None, provider: Provider, model: CloudModel) -> None:
    provider.next(name)
    raised = await failure(model)
    assert isinstance(raised, RateLimited)
    assert raised.retry_after == seconds


async def test_a_refusal_carries_its_headers(provider: Provider, model: CloudModel) -> None:
    provider.answer({"error": {}}, 429, X_RateLimit_Remaining_Requests="0")
    raised = await failure(model)
    assert isinstance(raised, RateLimited)
    assert raised.headers["x-ratelimit-remaining-requests"] == "0"


def test_what_nobody_foresaw_is_unavailable() -> None:
    raised = failure_of(LookupError("sk-secret"), "openai:echo", endpoint("http://nowhere"))
    assert type(raised) is Unavailable
    assert raised.message == "The call of openai:echo failed (LookupError)"


async def test_the_cause_is_kept_where_it_is_harmless(provider: Provider, model: CloudModel) -> None:
    provider.next("500", "not-json", "401")
    assert "Error code: 500" in str((await failure(model)).__cause__)
    assert (await failure(model)).__cause__ is not None
    assert (await failure(model)).__cause__ is None


async def test_the_next_call_is_not_harmed_by_a_fault(provider: Provider, model: CloudModel) -> None:
    provider.next("cut", "not-http", "drop")
    for _ in range(3):
        await failure(model)
    assert (await model.complete(PROMPT)).text == "one two three"
