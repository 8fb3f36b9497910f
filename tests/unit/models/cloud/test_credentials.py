"""Keys in files that are replaced, and tokens that expire."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from carteiro.models.cloud import tokens as tokens_module
from carteiro.models.failures import Misconfigured, ModelUnusable, Unavailable
from tests.provider import Provider, TokenService
from tests.unit.models.cloud.asking import PROMPT, failure, opened

WRONG_KEY = {"error": {"message": "no", "code": "invalid_api_key"}}


def sent(provider: Provider) -> list[str]:
    return [request.headers["Authorization"].removeprefix("Bearer ") for request in provider.requests]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_text("key-1\n")
    return file


def replace(file: Path, text: str) -> None:
    """As Kubernetes and every careful writer do: another file takes its name."""
    new = file.with_suffix(".new")
    new.write_text(text)
    new.replace(file)


@pytest.fixture
async def model(provider: Provider, file: Path):
    model = opened("openai:gpt-4.1", OPENAI_API_KEY_FILE=str(file), OPENAI_BASE_URL=provider.url)
    yield model
    await model.close()


async def test_a_key_that_is_replaced_is_used_at_once(provider: Provider, file: Path, model) -> None:
    await model.load()
    await model.complete(PROMPT)
    replace(file, "key-2")
    await model.complete(PROMPT)
    assert sent(provider) == ["key-1", "key-2"]


@pytest.mark.parametrize("rubbish", ["", " \n", "key-é", None])
async def test_a_file_that_is_rubbish_for_a_moment_changes_nothing(
    rubbish, provider: Provider, file: Path, model
) -> None:
    file.unlink()
    if rubbish is not None:
        file.write_text(rubbish)
    await model.complete(PROMPT)
    replace(file, "key-2")
    await model.complete(PROMPT)
    assert sent(provider) == ["key-1", "key-2"]


async def test_a_refused_key_is_read_again_and_the_call_made_with_the_new_one(
    provider: Provider, file: Path, model, monkeypatch: pytest.MonkeyPatch
) -> None:
    await model.complete(PROMPT)
    monkeypatch.setattr(model._endpoint.credential, "_stamp", lambda: model._endpoint.credential._seen)
    file.write_text("key-2")  # a file system that does not tell
    provider.answer(WRONG_KEY, 401)
    assert (await model.complete(PROMPT)).text == "one two three"
    assert sent(provider) == ["key-1", "key-1", "key-2"]


async def test_gemini_refuses_a_key_with_a_400(provider: Provider, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = opened("google:gemini", GEMINI_API_KEY_FILE=str(file), GOOGLE_GEMINI_BASE_URL=provider.root)
    monkeypatch.setattr(model._endpoint.credential, "_stamp", lambda: model._endpoint.credential._seen)
    file.write_text("key-2")
    provider.answer([{"error": {"code": 400, "message": "API key not valid. Please pass a valid API key."}}], 400)
    await model.complete(PROMPT)
    await model.close()
    assert sent(provider) == ["key-1", "key-2"]


async def test_a_refused_key_that_is_the_only_one_is_not_tried_twice(provider: Provider, file: Path, model) -> None:
    provider.answer(WRONG_KEY, 401)
    assert "OPENAI_API_KEY_FILE" in (await failure(model)).message
    replace(file, "key-2")
    provider.answer(WRONG_KEY, 401)
    assert isinstance(await failure(model), Misconfigured)
    assert sent(provider) == ["key-1", "key-2"]


async def test_azures_key_comes_from_a_file_too(provider: Provider, file: Path) -> None:
    model = opened("azure:my-gpt", AZURE_OPENAI_API_KEY_FILE=str(file), AZURE_OPENAI_ENDPOINT=provider.root)
    await model.complete(PROMPT)
    replace(file, "key-2")
    await model.complete(PROMPT)
    await model.close()
    assert [request.headers["api-key"] for request in provider.requests] == ["key-1", "key-2"]


@pytest.fixture
def identity(request: pytest.FixtureRequest, tokens: TokenService, tmp_path: Path, monkeypatch) -> str:
    """An identity whose tokens `tokens` gives out, for real: a service account's key, or a machine's at Azure."""
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
    """A key file as Google's console makes it."""
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
        model = opened("google:gemini", GOOGLE_CLOUD_PROJECT="p-1", GOOGLE_VERTEX_BASE_URL=provider.root)
    else:
        model = opened("azure:my-gpt", AZURE_OPENAI_ENDPOINT=provider.root)
    yield model
    await model.close()


both = pytest.mark.parametrize("identity", ["google", "azure"], indirect=True)


@both
async def test_one_token_serves_many_calls(identity, with_tokens, tokens: TokenService, provider: Provider) -> None:
    await with_tokens.load()
    assert tokens.given == 0
    await asyncio.gather(*(with_tokens.complete(PROMPT) for _ in range(8)))
    assert tokens.given == 1
    assert set(sent(provider)) == {"token-1"}
    path = {
        "google": "/v1/projects/p-1/locations/global/endpoints/openapi/chat/completions",
        "azure": "/openai/v1/chat/completions",
    }
    assert provider.requests[0].path == path[identity]
    asked = tokens.asked[0]
    if identity == "azure":
        assert asked["resource"] == "https://cognitiveservices.azure.com"
    else:
        assert asked["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"


@pytest.mark.parametrize("identity", ["google"], indirect=True)
async def test_a_token_is_replaced_before_it_expires(
    with_tokens, tokens: TokenService, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    await with_tokens.complete(PROMPT)
    real = tokens_module.time.time
    for later in (3600 - 300, 3600 - 200):
        monkeypatch.setattr(tokens_module.time, "time", lambda later=later: real() + later)
        await with_tokens.complete(PROMPT)
    assert sent(provider) == ["token-1", "token-1", "token-2"]


@pytest.mark.parametrize("identity", ["google"], indirect=True)
async def test_an_old_token_serves_while_no_new_one_is_to_be_had(
    with_tokens, tokens: TokenService, provider: Provider
) -> None:
    tokens.lifetime = 100
    await with_tokens.complete(PROMPT)
    tokens.broken = 400
    await with_tokens.complete(PROMPT)
    assert sent(provider) == ["token-1", "token-1"]


@pytest.mark.parametrize("identity", ["google"], indirect=True)
async def test_a_refused_token_is_replaced(with_tokens, tokens: TokenService, provider: Provider) -> None:
    await with_tokens.complete(PROMPT)
    provider.answer([{"error": {"code": 401, "message": "no", "status": "UNAUTHENTICATED"}}], 401)
    await with_tokens.complete(PROMPT)
    assert sent(provider) == ["token-1", "token-1", "token-2"]


@both
async def test_no_token(identity, with_tokens, tokens: TokenService, provider: Provider) -> None:
    tokens.broken = 400
    raised = await failure(with_tokens)
    assert type(raised) is Misconfigured
    assert {"google": "GOOGLE_APPLICATION_CREDENTIALS", "azure": "AZURE_CLIENT_ID"}[identity] in raised.message
    assert not provider.requests


@pytest.mark.parametrize("identity", ["google"], indirect=True)
async def test_nobody_gives_out_tokens(with_tokens, tokens: TokenService) -> None:
    await tokens.__aexit__()
    assert type(await failure(with_tokens)) is Unavailable


async def test_no_credentials_of_google_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("google.auth.transport.requests")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none"))
    model = opened("google:gemini", GOOGLE_CLOUD_PROJECT="p-1")
    with pytest.raises(ModelUnusable, match="GOOGLE_APPLICATION_CREDENTIALS"):
        await model.load()
    await model.close()


@pytest.mark.parametrize(
    ("module", "name", "settings", "extra"),
    [
        ("azure.identity.aio", "azure:my-gpt", {"AZURE_OPENAI_ENDPOINT": "https://x"}, r"carteiro\[azure\]"),
        ("google.auth.transport.requests", "google:x", {"GOOGLE_CLOUD_PROJECT": "p"}, r"carteiro\[google\]"),
    ],
)
def test_what_to_install(module: str, name: str, settings: dict[str, str], extra: str, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModelUnusable, match=extra):
        opened(name, **settings)
