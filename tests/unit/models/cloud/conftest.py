"""A provider for each test, and an environment that holds nobody's keys."""

import os
from collections.abc import AsyncIterator

import pytest

from tests.provider import Provider, TokenService


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
async def tokens() -> AsyncIterator[TokenService]:
    async with TokenService() as service:
        yield service
