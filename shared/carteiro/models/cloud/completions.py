"""The Completions API (https://platform.openai.com/docs/api-reference/completions/create): text in, text out.

What GPT-3 had, and base models and `gpt-3.5-turbo-instruct` still have. There are no messages and no schemas: a
prompt becomes one text.
"""

import json
from typing import Any

from pydantic import Field

from carteiro.models.cloud.counting import estimated_usage
from carteiro.models.cloud.endpoint import Endpoint
from carteiro.models.cloud.errors import filtered
from carteiro.models.cloud.parts import Count, Part, sampling, streamed_with_usage
from carteiro.models.cloud.parts import completion as completed
from carteiro.models.failures import Unavailable
from carteiro.models.interface import Completion, Prompt
from carteiro.schemas import FinishReason, Usage

PATH = "/completions"
streamed = streamed_with_usage
MAX_TOKENS = 512
"""How much is written where the prompt does not say: the API's own 16 would cut nearly everything."""

_SPEAKERS = {"user": "User", "assistant": "Assistant"}
_NEXT_TURN = "\nUser:"
_MOST_STOPS = 4


def request(endpoint: Endpoint, prompt: Prompt) -> dict[str, Any]:
    """The request's body."""
    body: dict[str, Any] = {
        "model": endpoint.model,
        "prompt": as_text(prompt),
        "max_tokens": prompt.max_output_tokens or MAX_TOKENS,
        **sampling(prompt),
    }
    if stop := _stops(prompt):
        body["stop"] = stop
    return body


def as_text(prompt: Prompt) -> str:
    """The prompt as one text: paragraphs, or, of a conversation, labelled turns of which the last is the model's."""
    system = [message.content for message in prompt.messages if message.role == "system"]
    turns = [message for message in prompt.messages if message.role != "system"]
    if prompt.json_schema is not None:
        system.append(f"Answer with JSON alone, of this JSON Schema:\n{json.dumps(prompt.json_schema)}")
    if not _is_conversation(prompt):
        return "\n\n".join([*system, *(message.content for message in turns)])
    said = [f"{_SPEAKERS[message.role]}: {message.content}" for message in turns]
    return "\n\n".join([*system, "\n".join([*said, "Assistant:"])])


def completion(answer: Any, prompt: Prompt, name: str) -> Completion:
    """What the answer's JSON says, without the white space around it. `name` is what failures call the model.

    Raises what `carteiro.models.failures` names, and pydantic's `ValidationError` for what is no such answer.
    """
    read = _Answer.model_validate(answer)
    choice = read.choices[0]
    finish_reason: FinishReason
    match choice.finish_reason:
        case "stop":
            finish_reason = "stop"
        case "length":
            finish_reason = "length"
        case "content_filter":
            raise filtered(name, "completion")
        case unknown:
            raise Unavailable(f"{name} ended with the unknown finish reason {unknown[:40]!r}")
    usage = (
        Usage(input_tokens=read.usage.prompt_tokens, output_tokens=read.usage.completion_tokens)
        if read.usage
        else estimated_usage([as_text(prompt)], choice.text)
    )
    return completed(choice.text.strip(), finish_reason, usage, _stops(prompt))


class Pieces:
    """Puts an answer together from its pieces, which look as the whole does."""

    def __init__(self) -> None:
        self._text, self._finish_reason, self._usage = "", None, None

    def add(self, piece: Any) -> str:
        """The text that the piece adds. Raises pydantic's `ValidationError` for what is no such piece."""
        read = _Piece.model_validate(piece)
        self._usage = read.usage or self._usage
        if not read.choices:
            return ""
        self._finish_reason = read.choices[0].finish_reason or self._finish_reason
        self._text += read.choices[0].text
        return read.choices[0].text

    def answer(self) -> Any:
        """The answer's JSON, as it would have come in one."""
        return {"choices": [{"text": self._text, "finish_reason": self._finish_reason}], "usage": self._usage}


def _is_conversation(prompt: Prompt) -> bool:
    return any(message.role == "assistant" for message in prompt.messages)


def _stops(prompt: Prompt) -> list[str]:
    """In a conversation the model would go on to write the user's next turn."""
    room = len(prompt.stop) < _MOST_STOPS
    return [*prompt.stop, _NEXT_TURN] if room and _is_conversation(prompt) else list(prompt.stop)


class _Choice(Part):
    text: str
    finish_reason: str


class _PieceChoice(Part):
    text: str = ""
    finish_reason: Any = None


class _Piece(Part):
    choices: list[_PieceChoice]
    usage: Any = None


class _Tokens(Part):
    prompt_tokens: Count = 0
    completion_tokens: Count = 0


class _Answer(Part):
    choices: list[_Choice] = Field(min_length=1)
    usage: _Tokens | None = None
