"""What the three APIs have in common, answers above all.

Only the part of an answer that is read is declared. The SDK's own types are built without validation, and whatever
is not declared as JSON comes out of it as a string, so a wrong answer would show up late, as an AttributeError.
"""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from carteiro.models.interface import Completion, Prompt
from carteiro.models.stop_texts import cut_at_stop
from carteiro.schemas import FinishReason, Usage

Count = Annotated[int, BeforeValidator(lambda count: count or 0)]
"""A number of tokens; a null is none."""


class Part(BaseModel):
    """A part of an answer. What is not declared is ignored."""

    model_config = ConfigDict(hide_input_in_errors=True)  # a traceback names no completion


def streamed_with_usage(body: dict[str, Any]) -> dict[str, Any]:
    """The request's body where the answer is to come in pieces, with its usage in the last."""
    return {**body, "stream": True, "stream_options": {"include_usage": True}}


def sampling(prompt: Prompt) -> dict[str, Any]:
    """What a request's body says of the temperature and the seed, where they are asked for."""
    asked = {"temperature": prompt.temperature, "seed": prompt.seed}
    return {name: value for name, value in asked.items() if value is not None}


def completion(text: str, finish_reason: FinishReason, usage: Usage, stop: Sequence[str]) -> Completion:
    """The completion up to the first stop text. OpenAI's servers leave that out; Transformers' server leaves it in,
    and the Responses API knows none."""
    text, stopped = cut_at_stop(text, stop)
    return Completion(text, "stop" if stopped else finish_reason, usage)
