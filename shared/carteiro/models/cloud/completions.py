"""The Completions API (https://platform.openai.com/docs/api-reference/completions/create): text in, text out.

GPT-3 had this API; base models and `gpt-3.5-turbo-instruct` still have it. There are no messages and no schemas: a
prompt becomes one text.
"""

from collections.abc import Collection
from typing import Any

from carteiro.models.cloud.chat_completions import read_choices
from carteiro.models.cloud.completion_builder import streamed_with_usage
from carteiro.models.cloud.endpoint import Endpoint
from carteiro.models.cloud.provider_options import provider_options
from carteiro.models.cloud.reasoning_effort import ReasoningLevel
from carteiro.models.cloud.request_format import REASONING_MAX_TOKENS, RequestFormat
from carteiro.models.errors import Unsupported
from carteiro.models.json_output import schema_instruction
from carteiro.models.prompt import Prompt
from carteiro.models.reasoning import ReasoningState
from carteiro.models.results import Completion
from carteiro.schemas.media_file import MediaKind

PATH = "/completions"
MEDIA: Collection[MediaKind] = ()
streamed = streamed_with_usage
DEFAULT_MAX_TOKENS = 512
"""Limit of output tokens if the prompt sets none. The API's own limit of 16 would cut nearly every completion."""

_ROLE_LABELS = {"user": "User", "assistant": "Assistant", "tool": "Tool"}
_NEXT_TURN = "\nUser:"
_MAX_STOPS = 4


def request(endpoint: Endpoint, prompt: Prompt, form: RequestFormat) -> dict[str, Any]:
    """Return the request's body. The API's own limit is 16 tokens, so a reasoning model gets a high limit."""
    if prompt.tools:
        raise Unsupported(f"{endpoint.model} completes texts and cannot call tools: take a model that chats", "tools")
    body: dict[str, Any] = {
        "model": endpoint.model,
        "prompt": render_prompt(prompt),
        **form.sampling_options(prompt),
        **form.limit_field(prompt, "max_tokens"),
        **provider_options(endpoint, prompt, form, without_thinking),
    }
    if "max_tokens" not in body and "max_tokens" not in form.omitted:
        body["max_tokens"] = REASONING_MAX_TOKENS if form.without_limit else DEFAULT_MAX_TOKENS
    if "stop" not in form.omitted and (stop := _stop_sequences(prompt)):
        body["stop"] = stop
    return body


def without_thinking(model: str, level: ReasoningLevel) -> dict[str, Any]:
    """Return no fields. Raise `Unsupported` if thinking is asked for: the API is older than that."""
    if level not in ("none", "minimal"):
        raise Unsupported(f"{model} does not think before it writes: leave out reasoning_effort", "reasoning_effort")
    return {}


def render_prompt(prompt: Prompt) -> str:
    """Return the prompt as one text: paragraphs, or a conversation as labelled turns with the model's turn at the
    end.
    """
    system = [message.content for message in prompt.messages if message.role == "system"]
    turns = [message for message in prompt.messages if message.role != "system"]
    if prompt.json_schema is not None:
        system.append(schema_instruction(prompt.json_schema))
    if not _is_conversation(prompt):
        return "\n\n".join([*system, *(message.content for message in turns)])
    labelled = [f"{_ROLE_LABELS[message.role]}: {message.content}" for message in turns]
    return "\n\n".join([*system, "\n".join([*labelled, "Assistant:"])])


def completion(answer: Any, prompt: Prompt, name: str, beginning: ReasoningState = ReasoningState.ANSWER) -> Completion:
    """Return the completion in the answer's JSON, without the white space around it. `name` is the model's name in
    failures, `beginning` the state of its reasoning at the start of the completion.

    Raise the errors of `carteiro.models.errors`, and pydantic's `ValidationError` if the JSON is not such an answer.
    """
    stop = _stop_sequences(prompt)
    return read_choices(answer, prompt, name, stop=stop, beginning=beginning, strip=True)


def _is_conversation(prompt: Prompt) -> bool:
    return any(message.role == "assistant" for message in prompt.messages)


def _stop_sequences(prompt: Prompt) -> list[str]:
    """Return the stop sequences. A conversation gets one more: the model would otherwise write the user's next turn."""
    room = len(prompt.stop) < _MAX_STOPS
    return [*prompt.stop, _NEXT_TURN] if room and _is_conversation(prompt) else list(prompt.stop)
