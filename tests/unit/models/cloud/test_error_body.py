"""Errors inside the wrappings of providers and gateways."""

import json
from typing import Any

import pytest

from carteiro.models.cloud.client import CloudModel
from carteiro.models.cloud.errors import failure_in, failure_of_response
from carteiro.models.errors import (
    ModelError,
    PromptTooLarge,
    QuotaExhausted,
    Unavailable,
)
from tests.provider import Provider
from tests.unit.models.cloud.cloud_models import endpoint, expect_failure
from tests.unit.models.cloud.error_bodies import error
from tests.unit.models.cloud.prompt_too_large import TOO_LARGE_MESSAGES

pytestmark = pytest.mark.timeout(60)


SERVER = endpoint("http://nowhere")


def failure_for(status: int, body: Any, request_body: Any = None) -> ModelError:
    return failure_of_response(status, body, "openai:echo", SERVER, None, request_body)


SHAPES = {
    "openai": lambda message: {"error": {"message": message, "type": "invalid_request_error", "code": None}},
    "text": lambda message: {"error": message},
    "vllm": lambda message: {"object": "error", "message": message, "type": "BadRequestError", "code": 400},
    "flat": lambda message: {"message": message, "code": "x"},
    "fastapi": lambda message: {"detail": message},
    "google": lambda message: [{"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}}],
    "anthropic": lambda message: {"type": "error", "error": {"type": "invalid_request_error", "message": message}},
    "openrouter": lambda message: error(
        "Provider returned error", None, 400, metadata={"raw": json.dumps({"error": {"message": message}})}
    ),
    "litellm": lambda message: error(f"litellm.BadRequestError: XException - {json.dumps({'message': message})}"),
}


@pytest.mark.parametrize("message", TOO_LARGE_MESSAGES)
def test_prompt_too_long_is_recognised_in_every_shape(message: str) -> None:
    for shape in SHAPES.values():
        assert type(failure_for(400, shape(message))) is PromptTooLarge
        assert type(failure_in(shape(message), "openai:echo", SERVER)) is PromptTooLarge
    assert failure_for(400, SHAPES["openai"](message)).option is None


async def test_xai_code_next_to_its_text_is_seen(provider: Provider, model: CloudModel) -> None:
    provider.answer({"code": "insufficient_quota", "error": "No."}, 429)
    assert type(await expect_failure(model)) is QuotaExhausted


def test_error_of_an_unknown_shape_is_unavailable() -> None:
    for body in ({"error": {"x": [1]}}, {"error": [[[]], 7]}, {"error": True}, {"error": 1e309}):
        assert type(failure_in(body, "openai:echo", SERVER)) is Unavailable


def test_a_deeply_nested_error_is_read_in_bounds() -> None:
    body: Any = "Rate limit reached"
    for _ in range(5000):
        body = {"error": body}
    assert type(failure_for(500, body)) is Unavailable
