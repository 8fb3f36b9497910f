"""What goes over the wire to each provider: method, path, query, credential and body, to the letter."""

import json

import pytest

from carteiro.models.failures import ModelUnusable
from carteiro.models.interface import Message, Prompt
from tests.provider import Provider
from tests.unit.models.cloud.asking import PROMPT, opened

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
# `CreateResponse` of the same. It has no `stop`, and no `seed`: that is the provider's to refuse.
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
        # its `createChatCompletionRequest` knows `max_tokens` alone; later previews have the new name too
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
            {**AZURE, "AZURE_OPENAI_AD_TOKEN": "entra-1"},  # before the key
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
        # vLLM, Ollama, llama.cpp, LiteLLM and OpenRouter all document POST BASE/chat/completions and a bearer key
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
async def test_the_request(name, settings, path, query, credential, body, provider: Provider) -> None:
    model = opened(
        name.format(root=provider.root),
        **{variable: value.format(root=provider.root) for variable, value in settings.items()},
    )
    await model.load()
    await model.complete(EVERYTHING)
    await model.close()

    (request,) = provider.requests  # only POST is served
    assert request.path == path
    assert request.query == query
    sent = {name: value for name, value in request.headers.items() if name in ("Authorization", "api-key")}
    assert sent == credential
    assert request.headers["Content-Type"] == "application/json"
    assert request.body == body


@pytest.mark.parametrize(
    ("location", "url"),
    [
        # https://cloud.google.com/vertex-ai/generative-ai/docs/migrate/openai/overview and .../learn/locations
        ({}, "https://aiplatform.googleapis.com/v1/projects/p-1/locations/global/endpoints/openapi/"),
        (
            {"GOOGLE_CLOUD_LOCATION": "europe-west4"},
            "https://europe-west4-aiplatform.googleapis.com/v1/projects/p-1/locations/europe-west4/endpoints/openapi/",
        ),
    ],
)
async def test_where_vertex_is(location: dict[str, str], url: str) -> None:
    model = opened("google:gemini-2.5-flash", GOOGLE_CLOUD_PROJECT="p-1", **location)
    assert str(model._client.base_url) == url
    assert model._endpoint.model == "google/gemini-2.5-flash"
    await model.close()


@pytest.mark.parametrize(
    ("name", "settings", "url"),
    [
        ("openai:gpt-4.1", {"OPENAI_API_KEY": "k"}, "https://api.openai.com/v1/"),
        ("google:gemini", {"GEMINI_API_KEY": "k"}, "https://generativelanguage.googleapis.com/v1beta/openai/"),
    ],
)
async def test_where_a_provider_is_without_another_address(name: str, settings: dict[str, str], url: str) -> None:
    model = opened(name, **settings)
    assert str(model._client.base_url) == url
    await model.close()


async def test_a_gemini_key_comes_before_a_project() -> None:
    model = opened("google:gemini", GEMINI_API_KEY="k", GOOGLE_CLOUD_PROJECT="p")
    assert model._endpoint.credential.variable == "GEMINI_API_KEY"
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
def test_what_cannot_be_opened_says_what_to_set(name: str, settings: dict[str, str], words: str, monkeypatch) -> None:
    for variable, value in settings.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(ModelUnusable, match=words) as caught:
        opened(name)
    assert "pass@" not in str(caught.value)
    assert "key=pass" not in str(caught.value)


async def test_a_conversation_for_a_model_older_than_chat(provider: Provider) -> None:
    model = opened("openai:babbage-002", OPENAI_API_KEY="k", OPENAI_BASE_URL=provider.url)
    said = [("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello."), ("user", "?")]
    turns = [Message(role, content) for role, content in said]
    await model.complete(Prompt(messages=turns))
    await model.complete(Prompt(messages=turns, stop=["1", "2", "3", "4"]))
    await model.close()

    first, second = (request.body for request in provider.requests)
    assert first["prompt"] == "Be brief.\n\nUser: Hi\nAssistant: Hello.\nUser: ?\nAssistant:"
    assert first["stop"] == ["\nUser:"]
    assert first["max_tokens"] == 512, "the API's own default is 16"
    assert second["stop"] == ["1", "2", "3", "4"], "more than four are refused"


async def test_a_schema_that_cannot_be_strict_is_not_sent_as_such(provider: Provider) -> None:
    loose = {"type": "object", "properties": {"n": {"type": "integer"}}}
    for name in ("openai:gpt-4.1", "openai:gpt-4.1?api=responses"):
        model = opened(name, OPENAI_API_KEY="k", OPENAI_BASE_URL=provider.url)
        await model.complete(Prompt(messages=PROMPT.messages, json_schema=loose))
        await model.close()
    chat, responses = (request.body for request in provider.requests)
    assert chat["response_format"]["json_schema"]["strict"] is False
    assert responses["text"]["format"]["strict"] is False
