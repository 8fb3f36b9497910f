"""Anthropic's SDK as the client of a model, and the fake provider read by that SDK."""

import anthropic
import pytest

from carteiro.models.errors import Misconfigured, Unavailable
from carteiro.models.prompt import Message, Prompt
from carteiro.models.registry import open_model
from carteiro.models.settings import ModelSettings
from tests.provider.catalogue import BEHAVIOURS, CatalogueProvider
from tests.unit.models.cloud.cloud_models import expect_failure, open_cloud_model

PROMPT = Prompt(messages=[Message("system", "Be brief."), Message("user", "one two three")])


async def test_call_has_the_sdks_headers_and_only_the_key_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "sk-other")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-other")
    async with CatalogueProvider(BEHAVIOURS["anthropic"]) as provider:
        name, settings = BEHAVIOURS["anthropic"].settings(provider.root)
        model = open_cloud_model(name, **settings)
        done = await model.complete(PROMPT)
        await model.close()
    (request,) = provider.requests
    assert (request.path, done.text) == ("/v1/messages", "one two three")
    assert request.headers["Authorization"] == "Bearer sk-ant-played"
    assert request.headers["anthropic-version"]
    assert request.headers["User-Agent"].startswith("AsyncAnthropic/")
    assert "sk-other" not in str(request.headers)
    assert done.usage.cached_input_tokens > 0


async def test_refusal_is_not_retried_and_its_body_is_not_in_the_failure() -> None:
    async with CatalogueProvider(BEHAVIOURS["anthropic"]) as provider:
        provider.error_kind = "wrong_key"
        name, settings = BEHAVIOURS["anthropic"].settings(provider.root)
        model = open_cloud_model(name, **settings)
        failure = await expect_failure(model, PROMPT)
        await model.close()
    assert isinstance(failure, Misconfigured)
    assert str(failure) == f"{name} does not accept the credential: check ANTHROPIC_API_KEY"
    assert (len(provider.requests), failure.__cause__) == (1, None)


async def test_server_that_is_not_there_is_unavailable() -> None:
    model = open_model(
        "anthropic:m", ModelSettings(anthropic_api_key="sk-1", anthropic_base_url="http://127.0.0.1:9/v1")
    )
    failure = await expect_failure(model, PROMPT)  # type: ignore[arg-type]
    await model.close()
    assert isinstance(failure, Unavailable)


@pytest.mark.parametrize("name", ["anthropic", "anthropic-thinking"])
async def test_fake_provider_is_read_by_the_sdk(name: str) -> None:
    turns: list[anthropic.types.MessageParam] = [{"role": "user", "content": "one two three"}]
    async with (
        CatalogueProvider(BEHAVIOURS[name]) as provider,
        anthropic.AsyncAnthropic(base_url=provider.root, api_key="sk-1", max_retries=0) as client,
    ):
        whole = await client.messages.create(model="claude-x", max_tokens=400, messages=turns)
        async with client.messages.stream(model="claude-x", max_tokens=400, messages=turns) as stream:
            streamed = await stream.get_final_message()
    for message in (whole, streamed):
        assert [block.text for block in message.content if block.type == "text"] == ["one two three"]
        assert (message.stop_reason, message.usage.cache_read_input_tokens) == ("end_turn", 7)
    assert whole.usage.output_tokens == streamed.usage.output_tokens
