"""Endpoints of Anthropic's models."""

import pytest

from carteiro.models.cloud.endpoint import BatchAddress
from carteiro.models.errors import ModelUnusable
from carteiro.models.providers import anthropic
from carteiro.models.providers.anthropic import PROVIDER, endpoint
from carteiro.models.settings import ModelSettings


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_API_KEY_FILE", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        (None, "https://api.anthropic.com/v1"),
        ("https://gateway/anthropic", "https://gateway/anthropic/v1"),
        ("http://gateway/v1/", "http://gateway/v1"),
    ],
)
def test_address_is_the_sdks_with_the_version(given: str | None, url: str) -> None:
    made = endpoint("anthropic:m", "m", None, ModelSettings(anthropic_api_key="k", anthropic_base_url=given))
    assert (made.url, made.api, made.batches) == (url, "messages", BatchAddress(url=url))


def test_model_without_a_key_is_unusable() -> None:
    with pytest.raises(ModelUnusable, match="anthropic:m needs a key: set ANTHROPIC_API_KEY or ANTHROPIC_API_KEY_FILE"):
        PROVIDER.open("anthropic:m", "m", ModelSettings())


def test_missing_sdk_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anthropic, "find_spec", lambda name: None)
    with pytest.raises(ModelUnusable, match=r"needs anthropic: pip install 'carteiro\[anthropic\]'"):
        PROVIDER.open("anthropic:m", "m", ModelSettings(anthropic_api_key="k"))


def test_name_chooses_no_api() -> None:
    with pytest.raises(ModelUnusable, match="leave out .api="):
        PROVIDER.open("anthropic:m?api=chat", "m?api=chat", ModelSettings(anthropic_api_key="k"))
