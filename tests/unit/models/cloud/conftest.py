"""A provider for each test, a model there, and an environment that holds nobody's keys."""

import os
from collections.abc import AsyncIterator

import pytest

from carteiro.models.cloud.client import CloudModel
from tests.provider import Provider, TokenService
from tests.unit.models.cloud.asking import endpoint


@pytest.fixture(autouse=True)
def _nobodys_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("OPENAI_", "AZURE_", "GEMINI_", "GOOGLE_", "CARTEIRO_", "IDENTITY_", "MSI_")):
            monkeypatch.delenv(name)


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with Provider() as provider:
        yield provider


@pytest.fixture
async def model(provider: Provider) -> AsyncIterator[CloudModel]:
    model = CloudModel("openai:echo", endpoint(provider.url), timeout=30)
    yield model
    await model.close()


@pytest.fixture
async def tokens() -> AsyncIterator[TokenService]:
    async with TokenService() as service:
        yield service
