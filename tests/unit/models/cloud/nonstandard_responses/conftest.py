"""Fixtures with a model for each of the three APIs."""

from collections.abc import AsyncIterator

import pytest

from carteiro.models.cloud.client import CloudModel
from tests.provider import Provider
from tests.unit.models.cloud.cloud_models import endpoint


@pytest.fixture(params=["chat", "responses", "completions"])
def api(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def model(api: str, provider: Provider) -> AsyncIterator[CloudModel]:
    running = CloudModel("openai:echo", endpoint(provider.url, api=api), timeout=10)
    yield running
    await running.close()
