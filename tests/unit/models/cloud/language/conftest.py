"""Fixtures of the language services: a server that plays them, and the models at it."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from carteiro.models.cloud.endpoint import Endpoint
from carteiro.models.interface import LanguageServiceModel
from carteiro.models.providers import google, google_language, google_translate
from carteiro.models.registry import open_model
from carteiro.models.settings import ModelSettings
from tests.provider.language_services import KEY, LanguageServices


class FixedToken:
    """Credential of a service account, without Google's library."""

    variable = "GOOGLE_APPLICATION_CREDENTIALS"

    async def check(self) -> None:
        pass

    async def get_value(self, rejected: str | None = None) -> str:
        return "token-1"

    async def close(self) -> None:
        pass


OpenService = Callable[..., Any]


@pytest.fixture
async def services() -> AsyncIterator[LanguageServices]:
    async with LanguageServices() as services:
        yield services


@pytest.fixture
async def open_service(services: LanguageServices, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OpenService]:
    """Open a language service by its name and settings."""
    opened: list[LanguageServiceModel] = []
    for module in (google, google_language, google_translate):
        monkeypatch.setattr(module, "application_default_credential", lambda name: FixedToken())
    settings = {
        "AZURE_TEXT_TRANSLATION_ENDPOINT": services.url,
        "AZURE_TEXT_TRANSLATION_APIKEY": KEY,
        "AZURE_LANGUAGE_ENDPOINT": services.url,
        "AZURE_LANGUAGE_KEY": KEY,
        "GOOGLE_API_KEY": KEY,
        "GOOGLE_CLOUD_PROJECT": "p-1",
        "CARTEIRO_GOOGLE_LANGUAGE_URL": services.url,
        "CARTEIRO_GOOGLE_TRANSLATE_URL": services.url,
        "CARTEIRO_MODEL_TIMEOUT_SECONDS": "20",
    }

    def open_it(name: str, **more: str) -> Any:
        for variable, value in (settings | more).items():
            monkeypatch.setenv(variable, value)
        model = open_model(name, ModelSettings())
        assert isinstance(model, LanguageServiceModel)
        opened.append(model)
        return model

    yield open_it
    for model in opened:
        await model.close()


def endpoint(url: str, **more: Any) -> Endpoint:
    """Return the endpoint of a service at `url`."""
    defaults: dict[str, Any] = {"model": "", "api": "chat", "credential": FixedToken(), "not_found_hint": "ENDPOINT"}
    return Endpoint(url=url, **(defaults | more))
