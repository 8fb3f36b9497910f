"""Opening a model as the settings would, and what a call of it comes to."""

import pytest

from carteiro.models.cloud.client import CloudModel
from carteiro.models.failures import ModelFailure
from carteiro.models.interface import Message, Prompt
from carteiro.models.opening import open_model
from carteiro.models.settings import ModelSettings

PROMPT = Prompt(messages=[Message("system", "Be brief."), Message("user", "one two three")])


def opened(name: str, **settings: str) -> CloudModel:
    """The model of this name under these settings, by the names of their variables."""
    model = open_model(name, ModelSettings(**settings))
    assert isinstance(model, CloudModel)
    return model


async def failure(model: CloudModel, prompt: Prompt = PROMPT) -> ModelFailure:
    """How a call fails."""
    with pytest.raises(ModelFailure) as caught:
        await model.complete(prompt)
    return caught.value
