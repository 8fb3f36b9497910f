"""Language services with the tokens of a machine's identity at Azure, and of a service account of Google."""

import json
from pathlib import Path

import pytest

from carteiro.models.abilities import is_language_service
from carteiro.models.registry import open_model
from carteiro.models.settings import ModelSettings
from tests.provider import TokenService
from tests.provider.language_services import LanguageServices
from tests.unit.models.cloud.test_access_tokens import service_account


@pytest.fixture
def _identities(
    tokens: TokenService, services: LanguageServices, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("azure.identity")
    pytest.importorskip("google.auth.transport.requests")
    file = tmp_path / "service-account.json"
    file.write_text(json.dumps(service_account(f"{tokens.url}/google")))
    settings = {
        "GOOGLE_APPLICATION_CREDENTIALS": str(file),
        "GOOGLE_CLOUD_PROJECT": "p-1",
        "GOOGLE_CLOUD_QUOTA_PROJECT": "p-2",
        "CARTEIRO_GOOGLE_TRANSLATE_URL": services.url,
        "IDENTITY_ENDPOINT": f"{tokens.url}/managed-identity",
        "IDENTITY_HEADER": "machine",
        "AZURE_TEXT_TRANSLATION_ENDPOINT": services.url,
        "AZURE_LANGUAGE_ENDPOINT": services.url,
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("_identities")
@pytest.mark.parametrize("name", ["google-translate:", "azure-translator:", "azure-language:"])
async def test_token_is_sent_as_a_bearer_token(name: str, services: LanguageServices) -> None:
    model = open_model(name, ModelSettings())
    await model.load()
    assert is_language_service(model)
    await model.probe()
    assert services.last.headers["authorization"] == "Bearer token-1"
    assert services.last.headers.get("x-goog-user-project") == ("p-2" if name.startswith("google") else None)
    await model.close()
