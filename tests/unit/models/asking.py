"""What the tests of all engines ask, and of which model."""

import os
from typing import Any

from carteiro.models.interface import Message, Prompt
from carteiro.models.opening import open_model
from carteiro.models.settings import ModelSettings

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

COLOUR = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "blue"]}},
    "required": ["colour"],
    "additionalProperties": False,
}
PRICED = "The capital of France is"
ENDS = [" Paris", " a lovely city", " xylophone"]


async def opened(name: str, **settings: Any) -> Any:
    """The model, loaded. Transformers computes in full precision."""
    model = open_model(name, ModelSettings(CARTEIRO_LOCAL_DTYPE="float32", **settings))
    await model.load()
    return model


def user(text: str, **options: Any) -> Prompt:
    return Prompt(messages=[Message("user", text)], **{"max_output_tokens": 24, **options})
