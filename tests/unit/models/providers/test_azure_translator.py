"""Azure's translator: its credential."""

import sys

import pytest

from carteiro.models.errors import ModelUnusable
from carteiro.models.providers.azure_translator import service
from carteiro.models.settings import ModelSettings


def test_key_has_a_header_of_its_own_and_a_token_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("azure.identity.aio")
    monkeypatch.setenv("AZURE_TEXT_TRANSLATION_ENDPOINT", "https://mine.cognitiveservices.azure.com")
    _, endpoint, _ = service("azure-translator:", "", ModelSettings())
    assert (endpoint.header, endpoint.credential.variable) == ("Authorization", "AZURE_CLIENT_ID")
    monkeypatch.setenv("AZURE_TEXT_TRANSLATION_APIKEY", "k")
    monkeypatch.setenv("AZURE_TEXT_TRANSLATION_RESOURCE_ID", "/subscriptions/1")
    _, endpoint, arguments = service("azure-translator:gpt", "gpt", ModelSettings())
    assert endpoint.header == "Ocp-Apim-Subscription-Key"
    assert endpoint.headers == {"Ocp-Apim-ResourceId": "/subscriptions/1"}
    assert arguments == {"deployment": "gpt"}


def test_missing_credential_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.identity.aio", None)
    monkeypatch.setenv("AZURE_TEXT_TRANSLATION_RESOURCE_ID", "/subscriptions/1")
    with pytest.raises(ModelUnusable, match=r"AZURE_TEXT_TRANSLATION_APIKEY.*carteiro\[azure\]"):
        service("azure-translator:", "", ModelSettings())


@pytest.mark.parametrize("address", ["", "https://api-eur.cognitive.microsofttranslator.com/"])
def test_identity_needs_the_resources_id_at_an_address_of_all_resources(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if address:
        monkeypatch.setenv("AZURE_TEXT_TRANSLATION_ENDPOINT", address)
    with pytest.raises(ModelUnusable, match=r"AZURE_TEXT_TRANSLATION_APIKEY.*AZURE_TEXT_TRANSLATION_RESOURCE_ID"):
        service("azure-translator:", "", ModelSettings())
    pytest.importorskip("azure.identity.aio")
    monkeypatch.setenv("AZURE_TEXT_TRANSLATION_RESOURCE_ID", "/subscriptions/1")
    assert service("azure-translator:", "", ModelSettings())[1].header == "Authorization"
