"""Azure's language service: its address and its credential."""

import pytest

from carteiro.models.errors import ModelUnusable
from carteiro.models.providers.azure_language import service
from carteiro.models.settings import ModelSettings


def test_address_and_key_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_LANGUAGE_KEY", "k")
    with pytest.raises(ModelUnusable, match="AZURE_LANGUAGE_ENDPOINT"):
        service("azure-language:", "", ModelSettings())
    monkeypatch.setenv("AZURE_LANGUAGE_ENDPOINT", "https://name.cognitiveservices.azure.com/")
    _, endpoint, arguments = service("azure-language:en", "en", ModelSettings())
    assert endpoint.url == "https://name.cognitiveservices.azure.com"
    assert endpoint.header == "Ocp-Apim-Subscription-Key"
    assert arguments == {"language": "en"}
