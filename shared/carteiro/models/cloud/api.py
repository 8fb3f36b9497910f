"""The APIs of OpenAI (Chat Completions, Responses and Completions), one of which a model's name chooses, and that of
Anthropic.
"""

import re
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

from carteiro.models.cloud.request_format import RequestFormat
from carteiro.models.errors import ModelUnusable
from carteiro.models.prompt import Prompt
from carteiro.models.reasoning import ReasoningState
from carteiro.models.results import Completion
from carteiro.schemas.media_file import MediaKind

if TYPE_CHECKING:
    from carteiro.models.cloud.endpoint import Endpoint

ApiName = Literal["chat", "responses", "completions"]
"""APIs that a model's name can choose."""
EndpointApi = ApiName | Literal["messages"]
"""APIs of endpoints. Messages is Anthropic's own."""

_RESPONSES_ONLY = re.compile(r"(^|-)(pro|codex|deep-research)(-|$)")
"""Models of OpenAI that have only the Responses API, by their model pages: o1-pro, gpt-5-pro, gpt-5-codex,
o3-deep-research and others like them (https://platform.openai.com/docs/models)."""
_COMPLETIONS_ONLY = re.compile(r"^gpt-3\.5-turbo-instruct|^(text-)?(davinci|curie|babbage|ada)(-\d+)?$")
"""Models that are older than chat, and have only Completions (https://platform.openai.com/docs/models)."""


def split_api_option(name: str) -> tuple[str, ApiName | None]:
    """Split a model's name in the settings into the name and the API that `?api=API` at its end names, if any.

    Raise `ModelUnusable` if anything else follows the `?`.
    """
    model, mark, option = name.partition("?")
    if not mark:
        return model, None
    for api in get_args(ApiName):
        if option == f"api={api}":
            return model, api
    # The option is not repeated in the message: it may be a key in a URL.
    raise ModelUnusable(
        f"after {model}? stands no API: write ?api=chat, ?api=responses or ?api=completions, or nothing"
    )


def default_api(model: str) -> ApiName:
    """Return the API of a model of OpenAI, by its name. A fine-tuned model (`ft:MODEL:...`) has the API of its base
    model.
    """
    origin = model.split(":")[1] if model.startswith("ft:") else model
    if _COMPLETIONS_ONLY.search(origin):
        return "completions"
    return "responses" if _RESPONSES_ONLY.search(origin) else "chat"


class Api(Protocol):
    """Protocol of an API: functions from a prompt to a request, and from an answer to a completion."""

    PATH: str
    MEDIA: Collection[MediaKind]
    """Kinds of files that it has a form for. A model may take fewer, and refuses the others itself."""

    def request(self, endpoint: "Endpoint", prompt: Prompt, form: RequestFormat) -> dict[str, Any]:
        """Return the request's body."""

    def completion(
        self, answer: Any, prompt: Prompt, name: str, beginning: ReasoningState = ReasoningState.ANSWER
    ) -> Completion:
        """Return the completion in the answer's JSON. `beginning` is the state of its reasoning at the start."""

    def streamed(self, body: dict[str, Any], form: RequestFormat) -> dict[str, Any]:
        """Return the request's body for an answer that is streamed."""
