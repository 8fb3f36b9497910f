"""Which of OpenAI's three APIs a model is called by."""

import re
from typing import Literal, get_args

from carteiro.models.failures import ModelUnusable

ApiName = Literal["chat", "responses", "completions"]

_RESPONSES = re.compile(r"(^|-)(pro|codex|deep-research)(-|$)")
"""Models of OpenAI that have the Responses API alone, by its model pages: o1-pro, gpt-5-pro, gpt-5-codex,
o3-deep-research and the like (https://platform.openai.com/docs/models)."""
_COMPLETIONS = re.compile(r"^gpt-3\.5-turbo-instruct|^(text-)?(davinci|curie|babbage|ada)(-\d+)?$")
"""Models that are older than chat, and have Completions alone (https://platform.openai.com/docs/models)."""


def split_api(name: str) -> tuple[str, ApiName | None]:
    """A model's name in the settings without `?api=API` at its end, and that API. Raises `ModelUnusable`."""
    model, mark, option = name.partition("?")
    if not mark:
        return model, None
    for api in get_args(ApiName):
        if option == f"api={api}":
            return model, api
    # Not repeated: it may be a key in a URL.
    raise ModelUnusable(
        f"after {model}? stands no API: write ?api=chat, ?api=responses or ?api=completions, or nothing"
    )


def api_of(model: str) -> ApiName:
    """The API of a model of OpenAI, by its name. A fine-tuned one (`ft:MODEL:...`) has that of its origin."""
    origin = model.split(":")[1] if model.startswith("ft:") else model
    if _COMPLETIONS.search(origin):
        return "completions"
    return "responses" if _RESPONSES.search(origin) else "chat"
