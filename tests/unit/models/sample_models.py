"""The prompts and models that the tests of all engines share."""

import os
from typing import Any

from carteiro.models.prompt import Message, Prompt
from carteiro.models.registry import open_model
from carteiro.models.settings import ModelSettings

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

COLOUR_SCHEMA = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "blue"]}},
    "required": ["colour"],
    "additionalProperties": False,
}
RANKING_TEXT = "The capital of France is"
CONTINUATIONS = [" Paris", " a lovely city", " xylophone"]


async def load_model(name: str, **settings: Any) -> Any:
    """Load the model and return it. Transformers computes in full precision."""
    model = open_model(name, ModelSettings(CARTEIRO_LOCAL_DTYPE="float32", **settings))
    await model.load()
    return model


def user_prompt(text: str, **options: Any) -> Prompt:
    return Prompt(messages=[Message("user", text)], **{"max_output_tokens": 24, **options})
