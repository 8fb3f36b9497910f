"""Fixtures with a model of each provider, or of one provider."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from carteiro.models.cloud.batch_api import files
from carteiro.models.cloud.client import CloudModel
from tests.provider import Provider
from tests.unit.models.cloud.batch_api.batch_calls import ALL_PROVIDERS, PROVIDERS, open_model


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_FIRST_PAUSE", 0.01)


def _model_fixture(*schemes: str) -> Any:
    @pytest.fixture(params=schemes)
    async def model(request: pytest.FixtureRequest, provider: Provider) -> AsyncIterator[CloudModel]:
        model = open_model(provider, request.param)
        yield model
        await model.close()

    return model


model = _model_fixture(*PROVIDERS)
any_model = _model_fixture(*ALL_PROVIDERS)
openai, azure, google, anthropic = map(_model_fixture, ALL_PROVIDERS)
