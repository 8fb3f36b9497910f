"""What a task is: its request, what it asks of a model, and how that becomes its result."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from carteiro.models.failures import InvalidOutput
from carteiro.models.interface import ChatModel, Completion, Message, Prompt
from carteiro.schemas import FinishReason, Request, Usage

RequestT = TypeVar("RequestT", bound=Request[Any])
ResultT = TypeVar("ResultT", bound=BaseModel)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Done(Generic[ResultT]):
    """A task's result, and what the model spent on it."""

    result: ResultT
    usage: Usage
    finish_reason: FinishReason = "stop"


@dataclass(frozen=True, slots=True)
class Task(Generic[RequestT, ResultT]):
    """One kind of language work.

    `run` is given a request and a model that has one of `abilities` (protocols of
    `carteiro.models.interface`). It may raise what models raise, `carteiro.models.failures.ModelFailure`.
    """

    request: type[RequestT]
    run: Callable[[RequestT, Any], Awaitable[Done[ResultT]]]
    abilities: tuple[type, ...]
    default_model: str = "local:smollm2"
    """The model where the settings name none."""
    by_key: bool = False
    """Whether requests with the same record key are served one after the other, in their order."""
    streams: bool = False
    """Whether what the model writes is the result, so that it can be shown piece by piece."""
    keeps_conversations: bool = False
    """Whether the worker keeps conversations. Requests are `ChatRequest`s then, and served `by_key`."""

    @property
    def name(self) -> str:
        """The task's name: that of its topics, its folder and its consumer group."""
        return self.request.task


async def complete(model: ChatModel, asked: Prompt) -> Completion:
    """The model's completion. Raises what the model raises, and `InvalidOutput` where it wrote nothing."""
    completion = await model.complete(asked)
    if not completion.text.strip() and not asked.stop:
        cut = completion.finish_reason == "length"
        raise InvalidOutput("the model wrote nothing" + (" before its limit of output tokens" if cut else ""))
    return completion


async def complete_as(model: ChatModel, asked: Prompt, read: Callable[[str], T]) -> tuple[T, Completion]:
    """A completion, and what `read` makes of its text. `read` raises `InvalidOutput` for what it cannot use.

    The model is then shown what it wrote and what is wrong with it, and asked once more; the usage is that of both.
    One that was cut by its limit of tokens would only be cut again. Raises what the model raises, and `InvalidOutput`.
    """
    first = await complete(model, asked)
    try:
        return read(first.text), first
    except InvalidOutput as wrong:
        if first.finish_reason == "length":
            raise InvalidOutput(f"{wrong.message}: it was cut by the limit of output tokens") from None
        again = Message("user", f"That cannot be used: {wrong.message}. Reply again, with the corrected JSON alone.")
        messages = [*asked.messages, Message("assistant", first.text), again]
    second = await complete(model, replace(asked, messages=messages))
    return read(second.text), replace(second, usage=first.usage + second.usage)


def prompt(
    request: Request[Any],
    messages: Sequence[Message],
    *,
    max_output_tokens: int | None = None,
    stop: Sequence[str] = (),
    json_schema: dict[str, Any] | None = None,
) -> Prompt:
    """A prompt under the options of a request; `max_output_tokens` counts where they set no limit."""
    options = request.options
    return Prompt(
        messages=messages,
        temperature=options.temperature,
        max_output_tokens=options.max_output_tokens or max_output_tokens,
        seed=options.seed,
        stop=stop,
        json_schema=json_schema,
    )
