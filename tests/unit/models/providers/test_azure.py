"""Endpoints of Azure's deployments."""

import pytest

from carteiro.models.errors import ModelUnusable
from carteiro.models.providers.azure import endpoint
from carteiro.models.settings import ModelSettings

ROOT = "https://name.openai.azure.com"


@pytest.fixture(autouse=True)
def _resource(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", ROOT)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "k")


@pytest.mark.parametrize("form", ["", "/", "/openai", "/openai/", "/openai/v1", "/openai/v1/"])
def test_address_of_the_resource_is_read_in_each_form(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", ROOT + form)
    assert endpoint("azure:d", "d", None, ModelSettings()).url == f"{ROOT}/openai/v1"


@pytest.mark.parametrize(
    ("version", "limit"),
    [("2024-10-21", "max_tokens"), ("2024-12-01-preview", "max_completion_tokens"), ("v1", "max_completion_tokens")],
)
def test_limit_has_the_name_that_the_version_knows(version: str, limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_VERSION", version)
    made = endpoint("azure:d", "d", None, ModelSettings())
    assert made.completion_limit == limit
    assert made.query == {"api-version": version}


def test_deployment_in_the_path_is_quoted_and_batches_use_the_v1_api(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_VERSION", "2024-10-21")
    made = endpoint("azure:a/b", "a/b", None, ModelSettings())
    assert made.url == f"{ROOT}/openai/deployments/a%2Fb"
    assert made.batches is not None
    assert (made.batches.url, made.batches.query) == (f"{ROOT}/openai/v1", {})
    assert made.batches.processes_files


def test_token_comes_before_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    assert endpoint("azure:d", "d", None, ModelSettings()).header == "api-key"
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", "t")
    made = endpoint("azure:d", "d", None, ModelSettings())
    assert (made.header, made.credential.variable) == ("Authorization", "AZURE_OPENAI_AD_TOKEN")


def test_missing_address_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_OPENAI_ENDPOINT")
    with pytest.raises(ModelUnusable, match="AZURE_OPENAI_ENDPOINT"):
        endpoint("azure:d", "d", None, ModelSettings())
