"""Endpoints of servers that speak the OpenAI API."""

import pytest

from carteiro.models.cloud.api_keys import NoCredential
from carteiro.models.cloud.embedding_format import EmbeddingFormat
from carteiro.models.errors import ModelUnusable
from carteiro.models.providers.http import API_KEY_VARIABLE, endpoint
from carteiro.models.settings import ModelSettings


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_url_has_the_scheme_of_the_name(scheme: str) -> None:
    made = endpoint(f"{scheme}://host:1/v1#qwen/qwen3", "//host:1/v1#qwen/qwen3", None, ModelSettings())
    assert (made.url, made.model, made.api) == (f"{scheme}://host:1/v1", "qwen/qwen3", "chat")
    assert (made.completion_limit, made.openai, made.batches) == ("max_tokens", False, None)


async def test_server_without_a_key_gets_no_credential(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenAI's key must not go to another host."""
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    credential = endpoint("http://h/v1#m", "//h/v1#m", "responses", ModelSettings()).credential
    assert isinstance(credential, NoCredential)
    assert (await credential.get_value(), credential.variable) == ("", API_KEY_VARIABLE)


@pytest.mark.parametrize(
    ("host", "types"),
    [
        ("api.voyageai.com", {"query": "query", "document": "document"}),
        ("integrate.api.nvidia.com", {"query": "query", "document": "passage"}),
        ("tei:8080", {}),
        ("[", {}),
    ],
)
def test_input_type_is_known_for_its_hosts(host: str, types: dict[str, str]) -> None:
    made = endpoint(f"https://{host}/v1#m", f"//{host}/v1#m", None, ModelSettings())
    assert made.embeddings == EmbeddingFormat(input_types=types)


@pytest.mark.parametrize("location", ["//host/v1", "//host/v1#", "//user:pass@host/v1#m"])
def test_location_without_a_model_or_with_a_password_is_unusable(location: str) -> None:
    with pytest.raises(ModelUnusable) as caught:
        endpoint(f"http:{location}", location, None, ModelSettings())
    assert "pass@" not in str(caught.value)
