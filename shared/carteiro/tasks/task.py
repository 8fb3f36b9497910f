"""The definition of a task: its request, its prompts, and the parsing of its result."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from carteiro.models.errors import InvalidOutput
from carteiro.models.interface import ChatModel
from carteiro.models.json_output import without_constraint
from carteiro.models.prompt import Message, Prompt
from carteiro.models.results import Completion
from carteiro.schemas import FinishReason, Request, Usage

RequestT = TypeVar("RequestT", bound=Request[Any])
ResultT = TypeVar("ResultT", bound=BaseModel)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TaskOutput(Generic[ResultT]):
    """A task's result, and what the model spent on it."""

    result: ResultT
    usage: Usage
    finish_reason: FinishReason = "stop"
    reasoning: str | None = None
    """The model's thinking, for a result that has a field `reasoning`."""


@dataclass(frozen=True, slots=True)
class Task(Generic[RequestT, ResultT]):
    """One kind of language work.

    `run` gets a request and a model that has one of `abilities` (protocols of `carteiro.models.interface`). It may
    raise the errors of models, `carteiro.models.errors.ModelError`.
    """

    request: type[RequestT]
    run: Callable[[RequestT, Any], Awaitable[TaskOutput[ResultT]]]
    abilities: tuple[type, ...]
    default_model: str = "local:smollm2"
    """The model if the settings name none."""
    ordered_by_key: bool = False
    """True if requests with the same record key are served one after the other, in their order."""
    keeps_conversations: bool = False
    """True if the worker stores conversations. Then requests are `ChatRequest`s, and `ordered_by_key` is True."""

    @property
    def name(self) -> str:
        """The task's name, also in its topics, its folder and its consumer group."""
        return self.request.task

    @property
    def shares_model(self) -> bool:
        """True if `CARTEIRO_MODEL` names its model too: a chat model can do it. Otherwise only its own setting does."""
        return ChatModel in self.abilities

    @property
    def streams(self) -> bool:
        """True if the model's text is the result, so that it can be streamed in chunks."""
        return self.request.streams


async def complete(model: ChatModel, prompt: Prompt) -> Completion:
    """Return the model's completion. Raise any error of the model, and `InvalidOutput` if it wrote nothing."""
    completion = await model.complete(prompt)
    if not completion.text.strip() and not completion.tool_calls:
        if completion.finish_reason == "length":
            raise InvalidOutput(f"the model wrote nothing: {_output_limit_message(prompt)}")
        if not prompt.stop:
            raise InvalidOutput("the model wrote nothing")
    return completion


def _output_limit_message(prompt: Prompt) -> str:
    if prompt.max_output_tokens is None or "max_output_tokens" in prompt.service_options:
        return "its limit of output tokens was used up before the first word"
    return (
        f"the limit of {prompt.max_output_tokens} output tokens was used up before the first word, maybe by thinking: "
        "raise max_output_tokens, or leave it out"
    )


async def complete_as(model: ChatModel, prompt: Prompt, parse: Callable[[str], Awaitable[T]]) -> tuple[T, Completion]:
    """Return the result of `parse` for a completion's text, and the completion.

    If `parse` raises `InvalidOutput`, the model is called once more with its text and the error. If the provider could
    not constrain the model to the JSON Schema, so that there is no text, the model is called once more with the schema
    only in the prompt. The usage is that of both calls. A completion that was cut by its token limit is not retried: it
    would be cut again. Raise any error of the model, and `InvalidOutput`.
    """
    first = await _first_completion(model, prompt)
    if isinstance(first, InvalidOutput):
        prompt, spent = without_constraint(prompt), first.usage or Usage()
    else:
        try:
            return await parse(first.text), first
        except InvalidOutput as wrong:
            if first.finish_reason == "length":
                reason = (
                    "it was cut by the limit of output tokens" if first.text.strip() else _output_limit_message(prompt)
                )
                raise InvalidOutput(f"{wrong.message}: {reason}") from None
            again = Message(
                "user",
                f"That cannot be used: {wrong.detail or wrong.message}. Reply again, with the corrected JSON alone.",
            )
            prompt = replace(prompt, messages=[*prompt.messages, Message("assistant", first.text), again])
            spent = first.usage
    second = await complete(model, prompt)
    return await parse(second.text), replace(second, usage=spent + second.usage)


async def _first_completion(model: ChatModel, prompt: Prompt) -> Completion | InvalidOutput:
    """Return a completion, or the error of a model that wrote nothing although no token limit cut it."""
    try:
        first = await model.complete(prompt)
    except InvalidOutput as failure:
        if prompt.json_schema is None:
            raise
        return failure
    if first.text.strip() or first.finish_reason == "length" or prompt.json_schema is None:
        return first
    nothing = InvalidOutput("the model wrote nothing")
    nothing.usage = first.usage
    return nothing


def build_prompt(
    request: Request[Any],
    messages: Sequence[Message],
    *,
    max_output_tokens: int | None = None,
    stop: Sequence[str] | None = None,
    json_schema: dict[str, Any] | None = None,
) -> Prompt:
    """Return a prompt under the options of a request.

    `max_output_tokens` (tokens) applies if the options set no limit. `stop` takes the place of the options' own.
    """
    options = request.options
    limited_by_service = options.max_output_tokens is None and max_output_tokens is not None
    return Prompt(
        messages=messages,
        temperature=options.temperature,
        top_p=options.top_p,
        max_output_tokens=options.max_output_tokens or max_output_tokens,
        seed=options.seed,
        stop=options.stop if stop is None else stop,
        reasoning=options.reasoning_effort,
        service_tier=options.service_tier,
        cache_key=options.prompt_cache_key,
        json_schema=json_schema,
        service_options=frozenset({"max_output_tokens"} if limited_by_service else ()),
    )
