"""A model of each provider, or of one."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from carteiro.models.cloud.batches import files
from carteiro.models.cloud.client import CloudModel
from tests.provider import Provider
from tests.unit.models.cloud.batches.doing import PROVIDERS, open_at


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_FIRST_PAUSE", 0.01)


def _at(*kinds: str) -> Any:
    @pytest.fixture(params=kinds)
    async def model(request: pytest.FixtureRequest, provider: Provider) -> AsyncIterator[CloudModel]:
        model = open_at(provider, request.param)
        yield model
        await model.close()

    return model


model = _at(*PROVIDERS)
openai, azure, google = map(_at, PROVIDERS)
