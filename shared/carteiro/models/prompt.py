"""Inputs of models: prompts for chat models, texts for embedding models, and options for writing a text."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from carteiro.schemas import ReasoningEffort, ServiceTier
from carteiro.schemas.media_file import MediaFile

Role = Literal["system", "user", "assistant", "tool"]
InputType = Literal["query", "document"]
"""Use of an embedded text: to search with it, or to be found."""
Tone = Literal["formal", "informal"]
"""Form of address in a translation."""


@dataclass(frozen=True, slots=True)
class PlacedFile:
    """An image, a file or a sound in a message, after `position` characters of the message's text."""

    file: MediaFile
    position: int


@dataclass(frozen=True, slots=True)
class ToolDefinition:
    """A function that the model may call. `parameters` is a JSON Schema of an object."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """Limit of the model's choice among the tools.

    `auto` is no limit, `none` permits no call, `required` demands at least one, of the tool `name` unless it is None.
    """

    mode: Literal["auto", "none", "required"] = "auto"
    name: str | None = None


AUTO = ToolChoice()


@dataclass(frozen=True, slots=True)
class RawToolCall:
    """A model's call of a tool. `arguments` is what the model wrote: not always JSON, nor always what was asked for.

    `signature` is data of the provider that goes back to it with the call.
    """

    id: str
    name: str
    arguments: str
    signature: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a prompt. `content` is its text; its `files` are in the order of their positions.

    A message of the role `tool` is the result of the call `tool_call_id` in the last message with `tool_calls`.
    `thinking` is that before these calls, as the `Completion` has it.
    """

    role: Role
    content: str
    files: tuple[PlacedFile, ...] = ()
    tool_calls: Sequence[RawToolCall] = ()
    tool_call_id: str | None = None
    thinking: str | None = None

    @property
    def parts(self) -> "list[str | MediaFile]":
        """The texts and the files in their order."""
        parts: list[str | MediaFile] = []
        begin = 0
        for placed in self.files:
            parts += [self.content[begin : placed.position], placed.file]
            begin = placed.position
        given = (each.strip("\n") if isinstance(each, str) else each for each in (*parts, self.content[begin:]))
        return [each for each in given if each]

    def with_text_before(self, text: str) -> "Message":
        """Return the message with a text, and an empty line, before its content."""
        added = f"{text}\n\n"
        files = tuple(PlacedFile(each.file, each.position + len(added)) for each in self.files)
        return replace(self, content=added + self.content, files=files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """Prompt for a chat model.

    `temperature`, `top_p`, `max_output_tokens` (tokens), `seed`, `reasoning` and `service_tier` that are None are left
    to the model. `stop` texts end the completion and are not part of it. With `json_schema` the completion is JSON that
    follows the schema. `cache_key` is the same for prompts that begin alike; a model without such keys ignores it.

    `service_options` names the options (`temperature`, `max_output_tokens`, `seed`, `json_schema`, `service_tier`) that
    the service chose and the caller did not. They are optional: if a model rejects such an option, it is called without
    it.

    `alternative_tokens` is the number of likely tokens to report at each position of the completion, for models that
    can.

    `rank` is 0 for the calls of a request that makes one at a time, and higher for all but the first of a request whose
    text is read in parts. If calls have to wait, those of the lowest rank begin first: a long text does not hold up
    other requests. It is no part of what the model is asked.
    """

    messages: Sequence[Message]
    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    seed: int | None = None
    stop: Sequence[str] = ()
    reasoning: ReasoningEffort | None = None
    service_tier: ServiceTier | None = None
    cache_key: str | None = None
    json_schema: dict[str, Any] | None = None
    service_options: frozenset[str] = frozenset()
    tools: Sequence[ToolDefinition] = ()
    tool_choice: ToolChoice = AUTO
    alternative_tokens: int = 0
    rank: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingPrompt:
    """Texts for an embedding model, and the options of `EmbeddingModel.embed`."""

    texts: Sequence[str]
    input_type: InputType | None = None
    dimensions: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationOptions:
    """Options for writing a text. `temperature`, `top_p`, `max_output_tokens` and `seed` are as in a `Prompt`."""

    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    seed: int | None = None
