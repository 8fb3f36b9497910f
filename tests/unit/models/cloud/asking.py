"""Opening a model as the settings would, and what a call of it comes to."""

import pytest
from pydantic import SecretStr

from carteiro.models.cloud.client import CloudModel
from carteiro.models.cloud.endpoint import Endpoint
from carteiro.models.cloud.keys import Key, NoKey
from carteiro.models.failures import ModelFailure
from carteiro.models.interface import Message, Prompt
from carteiro.models.opening import open_model
from carteiro.models.settings import ModelSettings

KEY = "sk-qqzz-0123456789abcdefghij-zzqq"
PROMPT = Prompt(messages=[Message("system", "Be brief."), Message("user", "one two three")])
ENDLESS = ["hang", "hang-after-headers", "trickle"]
"""Faults of the provider in which a call never ends."""


def endpoint(url: str, *, model: str = "echo", key: str | None = KEY, **more) -> Endpoint:
    """A server that is called with this key."""
    credential = Key("OPENAI_API_KEY", SecretStr(key), None) if key else NoKey("CARTEIRO_SERVER_API_KEY")
    options = {"api": "chat", "completion_limit": "max_completion_tokens", **more}
    return Endpoint(model=model, url=url, credential=credential, check="the model's name", **options)


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
