"""Errors of providers are recognised by codes, status and wording: complete, inside a 200, and as an event of a
stream.
"""

from typing import Any

import pytest
from aiohttp import web

from carteiro.models.cloud.client import CloudModel
from carteiro.models.cloud.errors import failure_in, failure_of_response
from carteiro.models.cloud.rejection_cause import names_no_field
from carteiro.models.errors import (
    InvalidPrompt,
    Misconfigured,
    ModelError,
    PromptTooLarge,
    QuotaExhausted,
    RateLimited,
    Unsupported,
)
from tests.provider import Provider
from tests.provider.streams import begin, write
from tests.unit.models.cloud.cloud_models import PROMPT, endpoint, expect_failure
from tests.unit.models.cloud.error_bodies import IN_ANSWERS, REFUSALS, error
from tests.unit.models.cloud.prompt_too_large import OTHER_MESSAGES
from tests.unit.models.cloud.unsupported_files import OTHER, TOO_LARGE, UNSUPPORTED

pytestmark = pytest.mark.timeout(60)


SERVER = endpoint("http://nowhere")


PAUSING = (QuotaExhausted, Misconfigured)


def failure_for(status: int, body: Any, request_body: Any = None) -> ModelError:
    return failure_of_response(status, body, "openai:echo", SERVER, None, request_body)


@pytest.mark.parametrize("name", REFUSALS)
def test_refusal_is_recognised_by_code_status_and_wording(name: str) -> None:
    status, body, kind = REFUSALS[name]
    assert type(failure_for(status, body)) is kind


@pytest.mark.parametrize("name", [name for name in REFUSALS if isinstance(REFUSALS[name][1], dict)])
def test_the_same_error_inside_a_200_is_the_same_failure(name: str) -> None:
    status, body, kind = REFUSALS[name]
    found = failure_in(body if status == 200 else {"status": status, **body}, "openai:echo", SERVER)
    assert type(found) is kind


@pytest.mark.parametrize("name", IN_ANSWERS)
def test_error_in_an_answer_is_found_and_a_completion_has_none(name: str) -> None:
    answer, kind = IN_ANSWERS[name]
    found = failure_in(answer, "openai:echo", SERVER)
    assert found is None if kind is None else type(found) is kind


@pytest.mark.parametrize("message", OTHER_MESSAGES)
def test_other_too_long_message_is_an_invalid_request(message: str) -> None:
    assert (
        type(failure_for(400, {"error": {"message": message, "type": "invalid_request_error", "code": None}}))
        is InvalidPrompt
    )


@pytest.mark.parametrize("name", ["anthropic-unpaid", "openrouter-flagged", "groq-json", "openrouter-price"])
async def test_call_raises_the_failure_of_its_error_body(name: str, provider: Provider, model: CloudModel) -> None:
    status, body, kind = REFUSALS[name]
    provider.answer(body, status)
    assert type(await expect_failure(model)) is kind


@pytest.mark.parametrize("name", ["anthropic-overloaded", "groq-rate", "anthropic-unpaid", "openai-policy"])
async def test_stream_event_raises_the_failure_of_its_error_body(
    name: str, provider: Provider, model: CloudModel
) -> None:
    _, body, kind = REFUSALS[name]

    async def answer(request: web.Request, request_body: Any) -> web.StreamResponse:
        response = await begin(request)
        await write(response, body)
        return response

    provider._next.append(answer)
    with pytest.raises(ModelError) as caught:
        await model.stream(PROMPT, lambda text: None)
    assert type(caught.value) is kind


@pytest.mark.parametrize("message", ["Invalid API key", "API key not valid. Please pass a valid API key."])
def test_a_message_that_begins_with_the_key_is_about_the_key(message: str) -> None:
    assert type(failure_for(400, error(message))) is Misconfigured


@pytest.mark.parametrize("status", [418, 424, 431, 451, 498, 499, 460, 409])
def test_unknown_4xx_pauses_no_model(status: int) -> None:
    assert not isinstance(failure_for(status, error("x")), PAUSING)


def test_failure_without_a_status_names_none() -> None:
    found = failure_in({"error": {"message": "Oops"}}, "openai:echo", SERVER)
    assert found is not None
    assert found.message == "openai:echo answered with an error instead of a completion"


@pytest.mark.parametrize("used", [5500, 6000])
def test_a_rate_limit_that_passes_is_no_prompt_that_is_too_large(used: int) -> None:
    limit = f"on tokens per minute (TPM): Limit 6000, Used {used}, Requested 900. Please try again in 1.2s."
    assert type(failure_for(429, error(limit, "tokens", "rate_limit_exceeded"))) is RateLimited


WITH_IMAGE = {
    "model": "echo",
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is in the image?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            ],
        }
    ],
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_model_without_images_is_recognised(name: str) -> None:
    found = failure_for(*UNSUPPORTED[name], WITH_IMAGE)
    assert (type(found), found.code, found.retryable) == (Unsupported, "unsupported", False)
    assert found.option in ("messages", None)
    assert not names_no_field(found), "no other form of the request is tried"


@pytest.mark.parametrize("name", TOO_LARGE)
def test_image_that_is_too_large_for_a_model_is_recognised(name: str) -> None:
    assert type(failure_for(*TOO_LARGE[name], WITH_IMAGE)) is PromptTooLarge


@pytest.mark.parametrize("name", OTHER)
def test_broken_image_is_the_callers_mistake(name: str) -> None:
    assert type(failure_for(*OTHER[name], WITH_IMAGE)) is InvalidPrompt


@pytest.mark.parametrize("name", ["openai", "vllm-none", "llama.cpp"])
def test_model_without_images_is_recognised_in_a_batch(name: str) -> None:
    assert type(failure_for(*UNSUPPORTED[name])) is Unsupported


def test_the_same_words_about_a_request_of_texts_are_no_refusal_of_images() -> None:
    texts = {"model": "echo", "messages": [{"role": "user", "content": "Why is message[0].content a string?"}]}
    assert type(failure_for(*UNSUPPORTED["groq-old"], texts)) is InvalidPrompt
    assert type(failure_for(*UNSUPPORTED["openai-file"], texts)) is InvalidPrompt
