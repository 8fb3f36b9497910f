"""Fixtures: a provider, a model at it, and an environment without keys."""

import os
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from carteiro.models.cloud.client import CloudModel
from tests.provider import Provider, TokenService
from tests.unit.models.cloud.cloud_models import endpoint
from tests.unit.models.cloud.strict_server import StrictServer


@pytest.fixture(autouse=True)
def _nobodys_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("OPENAI_", "AZURE_", "GEMINI_", "GOOGLE_", "AWS_", "CARTEIRO_", "IDENTITY_", "MSI_")):
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


@pytest.fixture
async def server() -> AsyncIterator[StrictServer]:
    async with StrictServer() as server:
        yield server


@pytest.fixture
async def opened(server: StrictServer) -> AsyncIterator[Callable[..., CloudModel]]:
    models = []

    def make(**more: Any) -> CloudModel:
        models.append(
            CloudModel("server:m", endpoint(server.url, **{"completion_limit": "max_tokens", **more}), timeout=30)
        )
        return models[-1]

    yield make
    for model in models:
        await model.close()
