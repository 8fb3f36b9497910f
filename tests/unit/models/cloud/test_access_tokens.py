"""Access tokens that expire, from Google and from Entra ID."""

import asyncio
import json
from pathlib import Path

import pytest

from carteiro.models.errors import Misconfigured, Unavailable
from tests.provider import Provider, TokenService
from tests.unit.models.cloud.cloud_models import PROMPT, expect_failure, open_cloud_model


def sent(provider: Provider) -> list[str]:
    return [request.headers["Authorization"].removeprefix("Bearer ") for request in provider.requests]


@pytest.fixture
def identity(request: pytest.FixtureRequest, tokens: TokenService, tmp_path: Path, monkeypatch) -> str:
    """Set up an identity with tokens of `tokens`: a service account's key, or a machine's identity at Azure."""
    if request.param == "google":
        pytest.importorskip("google.auth.transport.requests")
        file = tmp_path / "service-account.json"
        file.write_text(json.dumps(service_account(f"{tokens.url}/google")))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    else:
        pytest.importorskip("azure.identity")
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{tokens.url}/managed-identity")
        monkeypatch.setenv("IDENTITY_HEADER", "machine")
    return request.param


def service_account(token_uri: str) -> dict[str, str]:
    """Return a key file in the form of Google's console."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    pem = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "type": "service_account",
        "project_id": "p-1",
        "private_key_id": "1",
        "private_key": pem.decode(),
        "client_email": "worker@p-1.iam.gserviceaccount.com",
        "token_uri": token_uri,
    }


@pytest.fixture
async def with_tokens(identity: str, provider: Provider):
    if identity == "google":
        model = open_cloud_model("google:gemini", GOOGLE_CLOUD_PROJECT="p-1", GOOGLE_VERTEX_BASE_URL=provider.root)
    else:
        model = open_cloud_model("azure:my-gpt", AZURE_OPENAI_ENDPOINT=provider.root)
    yield model
    await model.close()


both = pytest.mark.parametrize("identity", ["google", "azure"], indirect=True)


@both
async def test_token_is_shared_by_many_calls(identity, with_tokens, tokens: TokenService, provider: Provider) -> None:
    await with_tokens.load()
    assert tokens.issued == 0
    await asyncio.gather(*(with_tokens.complete(PROMPT) for _ in range(8)))
    assert tokens.issued == 1
    assert set(sent(provider)) == {"token-1"}
    path = {
        "google": "/v1/projects/p-1/locations/global/endpoints/openapi/chat/completions",
        "azure": "/openai/v1/chat/completions",
    }
    assert provider.requests[0].path == path[identity]
    token_request = tokens.requests[0]
    if identity == "azure":
        assert token_request["resource"] == "https://cognitiveservices.azure.com"
    else:
        assert token_request["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"


@pytest.mark.parametrize("identity", ["google"], indirect=True)
@pytest.mark.parametrize(("lifetime", "second"), [(300, "token-1"), (200, "token-2")])
async def test_a_token_is_replaced_before_it_expires(
    with_tokens, tokens: TokenService, provider: Provider, lifetime: float, second: str
) -> None:
    tokens.lifetime = lifetime
    await with_tokens.complete(PROMPT)
    await with_tokens.complete(PROMPT)
    assert sent(provider) == ["token-1", second]


@pytest.mark.parametrize("identity", ["google"], indirect=True)
async def test_old_token_is_used_while_the_token_service_is_down(
    with_tokens, tokens: TokenService, provider: Provider
) -> None:
    tokens.lifetime = 100
    await with_tokens.complete(PROMPT)
    tokens.error_status = 400
    await with_tokens.complete(PROMPT)
    assert sent(provider) == ["token-1", "token-1"]


@pytest.mark.parametrize("identity", ["google"], indirect=True)
async def test_a_refused_token_is_replaced(with_tokens, tokens: TokenService, provider: Provider) -> None:
    await with_tokens.complete(PROMPT)
    provider.answer([{"error": {"code": 401, "message": "no", "status": "UNAUTHENTICATED"}}], 401)
    await with_tokens.complete(PROMPT)
    assert sent(provider) == ["token-1", "token-1", "token-2"]


@both
async def test_token_service_without_a_token_is_a_configuration_error(
    identity, with_tokens, tokens: TokenService, provider: Provider
) -> None:
    tokens.error_status = 400
    raised = await expect_failure(with_tokens)
    assert type(raised) is Misconfigured
    assert {"google": "GOOGLE_APPLICATION_CREDENTIALS", "azure": "AZURE_CLIENT_ID"}[identity] in raised.message
    assert not provider.requests


@pytest.mark.parametrize("identity", ["google"], indirect=True)
async def test_unreachable_token_service_is_unavailable(with_tokens, tokens: TokenService) -> None:
    await tokens.__aexit__()
    assert type(await expect_failure(with_tokens)) is Unavailable
