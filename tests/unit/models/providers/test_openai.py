"""Endpoints of OpenAI's models."""

import pytest

from carteiro.models.errors import ModelUnusable
from carteiro.models.providers.openai import OPENAI_URL, PROVIDER, endpoint
from carteiro.models.settings import ModelSettings


def test_key_goes_to_openai_and_batches_have_the_same_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    made = endpoint("openai:o3-pro", "o3-pro", None, ModelSettings())
    assert (made.url, made.api, made.openai) == (OPENAI_URL, "responses", True)
    assert made.batches is not None
    assert made.batches.url == OPENAI_URL


def test_gateway_has_the_name_of_a_limit_that_openai_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://gateway/v1")
    made = endpoint("openai:gpt-4.1", "gpt-4.1", "completions", ModelSettings())
    assert (made.url, made.api, made.completion_limit) == ("http://gateway/v1", "completions", "max_completion_tokens")


def test_model_without_a_key_is_unusable() -> None:
    with pytest.raises(ModelUnusable, match="openai:m needs a key: set OPENAI_API_KEY"):
        PROVIDER.open("openai:m", "m", ModelSettings())
