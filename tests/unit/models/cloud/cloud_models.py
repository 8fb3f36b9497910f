"""Open a cloud model by its settings, and call it."""

import pytest
from pydantic import SecretStr

from carteiro.models.cloud.api_keys import ApiKey, NoCredential
from carteiro.models.cloud.client import CloudModel
from carteiro.models.cloud.embedder import CloudEmbedder
from carteiro.models.cloud.endpoint import Endpoint
from carteiro.models.errors import ModelError
from carteiro.models.interface import EmbeddingModel
from carteiro.models.prompt import Message, Prompt, ToolDefinition
from carteiro.models.registry import open_model
from carteiro.models.settings import ModelSettings

KEY = "sk-qqzz-0123456789abcdefghij-zzqq"
PROMPT = Prompt(messages=[Message("system", "Be brief."), Message("user", "one two three")])
TOOL_PROMPT = Prompt(messages=PROMPT.messages, tools=[ToolDefinition("clock")])
HANGING_FAULTS = ["hang", "hang-after-headers", "trickle"]
"""Faults of the provider in which a call never ends."""


def endpoint(url: str, *, model: str = "echo", key: str | None = KEY, **more) -> Endpoint:
    """Return the endpoint of a server that is called with this key."""
    credential = ApiKey("OPENAI_API_KEY", SecretStr(key), None) if key else NoCredential("CARTEIRO_SERVER_API_KEY")
    options = {"api": "chat", "completion_limit": "max_completion_tokens", **more}
    return Endpoint(model=model, url=url, credential=credential, not_found_hint="the model's name", **options)


def open_cloud_model(name: str, **settings: str) -> CloudModel:
    """Open the model of this name under these settings, by the names of their variables."""
    model = open_model(name, ModelSettings(**settings))
    assert isinstance(model, CloudModel)
    return model


def open_cloud_embedder(name: str, **settings: str) -> CloudEmbedder:
    """Open the embedding model of this name under these settings, by the names of their variables."""
    model = open_model(name, ModelSettings(**settings), (EmbeddingModel,))
    assert isinstance(model, CloudEmbedder)
    return model


async def expect_failure(model: CloudModel, prompt: Prompt = PROMPT) -> ModelError:
    """Call the model and return the failure."""
    with pytest.raises(ModelError) as caught:
        await model.complete(prompt)
    return caught.value
