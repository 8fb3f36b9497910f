"""Endpoints of all network providers: the exact request to each, and the settings that are missing."""

import json
import sys

import pytest

from carteiro.models.errors import ModelUnusable
from carteiro.models.prompt import Prompt
from tests.provider import Provider
from tests.unit.models.cloud.cloud_models import PROMPT, open_cloud_model

SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}


EVERYTHING = Prompt(
    messages=PROMPT.messages, temperature=0.5, max_output_tokens=50, seed=7, stop=["END"], json_schema=SCHEMA
)


MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "one two three"}]


FORMAT = {"type": "json_schema", "json_schema": {"name": "completion", "schema": SCHEMA, "strict": True}}


# `CreateChatCompletionRequest` of openapi.yaml in openai/openai-openapi.
CHAT = {"messages": MESSAGES, "temperature": 0.5, "seed": 7, "stop": ["END"], "response_format": FORMAT}


# `CreateResponse` of the same. It has no `stop`, and no `seed`: the provider refuses a seed.
RESPONSES = {
    "input": MESSAGES,
    "store": False,
    "temperature": 0.5,
    "max_output_tokens": 50,
    "seed": 7,
    "text": {"format": {"type": "json_schema", "name": "completion", "schema": SCHEMA, "strict": True}},
}


# `CreateCompletionRequest` of the same.
COMPLETIONS = {
    "prompt": f"Be brief.\n\nAnswer with JSON alone, of this JSON Schema:\n{json.dumps(SCHEMA)}\n\none two three",
    "max_tokens": 50,
    "temperature": 0.5,
    "seed": 7,
    "stop": ["END"],
}


OPENAI = {"OPENAI_API_KEY": "sk-1", "OPENAI_BASE_URL": "{root}/v1"}


AZURE = {"AZURE_OPENAI_API_KEY": "az-1", "AZURE_OPENAI_ENDPOINT": "{root}"}


DATED = {**AZURE, "OPENAI_API_VERSION": "2024-10-21"}


QUERY = {"api-version": "2024-10-21"}


BEARER = {"Authorization": "Bearer sk-1"}


API_KEY = {"api-key": "az-1"}


@pytest.mark.parametrize(
    ("name", "settings", "path", "query", "credential", "body"),
    [
        # https://platform.openai.com/docs/api-reference
        (
            "openai:gpt-4.1-mini",
            OPENAI,
            "/v1/chat/completions",
            {},
            BEARER,
            {"model": "gpt-4.1-mini", "max_completion_tokens": 50, **CHAT},
        ),
        ("openai:o3-pro", OPENAI, "/v1/responses", {}, BEARER, {"model": "o3-pro", **RESPONSES}),
        ("openai:gpt-4.1?api=responses", OPENAI, "/v1/responses", {}, BEARER, {"model": "gpt-4.1", **RESPONSES}),
        ("openai:davinci-002", OPENAI, "/v1/completions", {}, BEARER, {"model": "davinci-002", **COMPLETIONS}),
        # https://learn.microsoft.com/azure/foundry/openai/api-version-lifecycle
        (
            "azure:my-gpt",
            AZURE,
            "/openai/v1/chat/completions",
            {},
            API_KEY,
            {"model": "my-gpt", "max_completion_tokens": 50, **CHAT},
        ),
        (
            "azure:my-gpt",
            {**AZURE, "AZURE_OPENAI_ENDPOINT": "{root}/openai/v1/", "OPENAI_API_VERSION": "preview"},
            "/openai/v1/chat/completions",
            {"api-version": "preview"},
            API_KEY,
            {"model": "my-gpt", "max_completion_tokens": 50, **CHAT},
        ),
        # AzureOpenAI/inference/stable/2024-10-21/inference.json in Azure/azure-rest-api-specs
        (
            "azure:my-gpt",
            DATED,
            "/openai/deployments/my-gpt/chat/completions",
            QUERY,
            API_KEY,
            {"model": "my-gpt", "max_tokens": 50, **CHAT},
        ),
        # Its `createChatCompletionRequest` knows only `max_tokens`; later previews have the new name too.
        (
            "azure:my-gpt",
            {**AZURE, "OPENAI_API_VERSION": "2025-04-01-preview"},
            "/openai/deployments/my-gpt/chat/completions",
            {"api-version": "2025-04-01-preview"},
            API_KEY,
            {"model": "my-gpt", "max_completion_tokens": 50, **CHAT},
        ),
        (
            "azure:my-base?api=completions",
            DATED,
            "/openai/deployments/my-base/completions",
            QUERY,
            API_KEY,
            {"model": "my-base", **COMPLETIONS},
        ),
        # https://learn.microsoft.com/azure/ai-foundry/openai/how-to/responses
        (
            "azure:my-gpt?api=responses",
            DATED,
            "/openai/responses",
            QUERY,
            API_KEY,
            {"model": "my-gpt", **RESPONSES},
        ),
        (
            "azure:my-gpt",
            {**AZURE, "AZURE_OPENAI_AD_TOKEN": "entra-1"},  # The token comes before the key.
            "/openai/v1/chat/completions",
            {},
            {"Authorization": "Bearer entra-1"},
            {"model": "my-gpt", "max_completion_tokens": 50, **CHAT},
        ),
        # https://ai.google.dev/gemini-api/docs/openai
        (
            "google:gemini-2.5-flash",
            {"GEMINI_API_KEY": "sk-1", "GOOGLE_GEMINI_BASE_URL": "{root}/"},
            "/v1beta/openai/chat/completions",
            {},
            BEARER,
            {"model": "gemini-2.5-flash", "max_tokens": 50, **CHAT},
        ),
        # vLLM, Ollama, llama.cpp, LiteLLM and OpenRouter all document POST BASE/chat/completions and a bearer key.
        (
            "{root}/v1#qwen/qwen3",
            {"CARTEIRO_SERVER_API_KEY": "sk-1"},
            "/v1/chat/completions",
            {},
            BEARER,
            {"model": "qwen/qwen3", "max_tokens": 50, **CHAT},
        ),
        ("{root}/v1#gpt2?api=completions", {}, "/v1/completions", {}, {}, {"model": "gpt2", **COMPLETIONS}),
    ],
)
async def test_request_of_each_provider(name, settings, path, query, credential, body, provider: Provider) -> None:
    model = open_cloud_model(
        name.format(root=provider.root),
        **{variable: value.format(root=provider.root) for variable, value in settings.items()},
    )
    await model.load()
    await model.complete(EVERYTHING)
    await model.close()

    (request,) = provider.requests  # Only POST is served.
    assert request.path == path
    assert request.query == query
    sent = {name: value for name, value in request.headers.items() if name in ("Authorization", "api-key")}
    assert sent == credential
    assert request.headers["Content-Type"] == "application/json"
    assert request.body == body


@pytest.mark.parametrize(
    ("name", "settings", "url"),
    [
        ("openai:gpt-4.1", {"OPENAI_API_KEY": "k"}, "https://api.openai.com/v1/"),
        ("google:gemini", {"GEMINI_API_KEY": "k"}, "https://generativelanguage.googleapis.com/v1beta/openai/"),
    ],
)
async def test_default_url_of_each_provider(name: str, settings: dict[str, str], url: str) -> None:
    model = open_cloud_model(name, **settings)
    assert str(model._client.base_url) == url
    await model.close()


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("openai:gpt-4.1", {}, "OPENAI_API_KEY"),
        ("openai:gpt-4.1", {"OPENAI_API_KEY": "", "OPENAI_BASE_URL": ""}, "OPENAI_API_KEY"),
        ("openai:gpt-4.1", {"OPENAI_API_KEY": "a", "OPENAI_API_KEY_FILE": "b"}, "both set"),
        ("openai:gpt-4.1", {"OPENAI_API_KEY": " \n"}, "no key"),
        ("openai:gpt-4.1?api=chats", {"OPENAI_API_KEY": "a"}, r"\?api=responses"),
        ("azure:x", {"AZURE_OPENAI_API_KEY": "a"}, "AZURE_OPENAI_ENDPOINT"),
        ("google:x", {}, "GEMINI_API_KEY.*GOOGLE_CLOUD_PROJECT"),
        ("google:x", {"GEMINI_API_KEY_FILE": "/no/such"}, "GEMINI_API_KEY_FILE.*No such file"),
        ("http://host/v1", {}, "#NAME"),
        ("http://user:pass@host/v1#x", {}, "CARTEIRO_SERVER_API_KEY"),
        ("http://host/v1?key=pass#x", {}, r"\?api=chat"),
    ],
)
def test_model_that_cannot_be_opened_names_the_missing_setting(
    name: str, settings: dict[str, str], words: str, monkeypatch
) -> None:
    for variable, value in settings.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(ModelUnusable, match=words) as caught:
        open_cloud_model(name)
    assert "pass@" not in str(caught.value)
    assert "key=pass" not in str(caught.value)


@pytest.mark.parametrize(
    ("module", "name", "settings", "extra"),
    [
        ("azure.identity.aio", "azure:my-gpt", {"AZURE_OPENAI_ENDPOINT": "https://x"}, r"carteiro\[azure\]"),
        ("google.auth.transport.requests", "google:x", {"GOOGLE_CLOUD_PROJECT": "p"}, r"carteiro\[google\]"),
    ],
)
def test_missing_extra_is_named(module: str, name: str, settings: dict[str, str], extra: str, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModelUnusable, match=extra):
        open_cloud_model(name, **settings)
