"""chat: the next message of a conversation."""

import operator
from collections.abc import Collection, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    Field,
    GetPydanticSchema,
    SerializeAsAny,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_validator,
)

from carteiro.schemas.attachment import CONTENT_INPUT, Attachment, ContentPart, is_text, join_texts, read_content
from carteiro.schemas.collection import CollectionRequest, Source, search_options_problem
from carteiro.schemas.list_field import empty_list
from carteiro.schemas.reply import ReplySchema, Result
from carteiro.schemas.request import Schema, Text, examples
from carteiro.schemas.text_reference import BY_REFERENCE
from carteiro.schemas.tools import MAX_CALLS, CallId, EarlierToolCall, ToolCall, ToolOptions, ToolStep


def _content_of_role(value: Any, validate: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    """Return the content. A message with calls of tools, or with a tool's result, may have no text."""
    # A field that is wrong is not in the data, and has its own error.
    if not value and (info.data.get("tool_calls", True) or info.data.get("role") == "tool"):
        return ""
    content = read_content(value, validate)
    if isinstance(content, list) and info.data.get("role") != "user" and not all(map(is_text, content)):
        raise ValueError("has images, files or sounds, which only a message of the user can have")
    return content


class ChatMessage(Schema):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant", "tool"]
    tool_calls: list[EarlierToolCall] = empty_list(max_length=MAX_CALLS, exclude_if=operator.not_)
    """Calls of tools, in a message of the assistant."""
    tool_call_id: CallId | None = None
    """Id of the call that a message of the role `tool` has the result of."""
    content: Annotated[
        str | list[ContentPart],
        GetPydanticSchema(lambda _, handler: handler(Text)),  # a union would name each error twice
        WrapValidator(_content_of_role, json_schema_input_type=CONTENT_INPUT),
        SerializeAsAny(),
        BY_REFERENCE,
    ] = Field(default="", validate_default=True)
    """A text, or a list of texts (`{"type": "text", "text": ...}`) and, from the user, of images, files and sounds. It
    may be missing in a message with `tool_calls`, and in the result of a tool.
    """

    @property
    def text(self) -> str:
        """The texts of the message."""
        return join_texts(self.content)

    @property
    def attachments(self) -> Sequence[Attachment]:
        """The images, files and sounds of the message."""
        return [] if isinstance(self.content, str) else [part for part in self.content if not is_text(part)]


class ChatAnswer(ReplySchema):
    """The assistant's message, ready to be appended to the conversation."""

    role: Literal["assistant"] = "assistant"
    content: str
    """The text; empty if the model only calls tools."""
    tool_calls: list[ToolCall] = empty_list(exclude_if=operator.not_)
    """Calls of tools that the model asks for, if `finish_reason` is `tool_calls`; else they are left out."""


class ChatResult(Result):
    """The assistant's turn."""

    model_config = examples(
        {"message": {"role": "assistant", "content": "Lisbon."}, "reasoning": None, "sources": []},
        {
            "message": {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {"id": "a1B2c3D4e", "name": "weather", "arguments": {"city": "Porto"}, "signature": None}
                ],
            },
            "reasoning": None,
            "sources": [],
        },
    )

    message: ChatAnswer
    reasoning: str | None = None
    """The model's thinking before it answered, if `options.reasoning` asks for it and the service shows it."""
    sources: list[Source] = empty_list()
    """The quotations that the answer rests on, for a request with a collection."""
    steps: list[ToolStep] = empty_list(exclude_if=operator.not_)
    """Calls of served tools that the worker made for this answer; left out if there are none."""

    def render(self) -> str:
        text = [self.message.content] if self.message.content or not self.message.tool_calls else []
        calls = [call.render() for call in self.message.tool_calls]
        return "\n".join([*text, *calls, *(each.render() for each in self.sources)])


class ChatRequest(CollectionRequest[ChatResult], ToolOptions):
    """Write the assistant's next message. Requests with the same record key are answered in order."""

    model_config = examples(
        {"messages": [{"role": "user", "content": "What is the capital of Portugal?"}]},
        {
            "messages": [
                {"role": "system", "content": "You are a patient teacher."},
                {"role": "user", "content": "Why is the sky blue?"},
                {"role": "assistant", "content": "Because air scatters blue light the most."},
                {"role": "user", "content": "And at sunset?"},
            ]
        },
        {"conversation_id": "guest-7", "messages": [{"role": "user", "content": "And at sunset?"}]},
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What does the invoice amount to?"},
                        {"type": "file", "uri": "s3://letters/invoice.pdf"},
                    ],
                }
            ]
        },
        {"collection": "handbook", "messages": [{"role": "user", "content": "How long can goods be returned?"}]},
        {
            "messages": [
                {"role": "user", "content": "Is it warm in Porto?"},
                {
                    "role": "assistant",
                    "tool_calls": [{"id": "a1B2c3D4e", "name": "weather", "arguments": {"city": "Porto"}}],
                },
                {"role": "tool", "tool_call_id": "a1B2c3D4e", "content": "17 degrees, rain"},
            ],
            "tools": [
                {
                    "type": "function",
                    "function": {
                        "name": "weather",
                        "description": "The weather of a city.",
                        "parameters": {
                            "type": "object",
                            "properties": {"city": {"type": "string"}},
                            "required": ["city"],
                        },
                    },
                }
            ],
        },
    )
    task: ClassVar = "chat"
    result: ClassVar = ChatResult
    text_field: ClassVar = "messages"
    streams: ClassVar = True
    writes: ClassVar = True

    messages: list[ChatMessage] = Field(min_length=1, max_length=10_000, fail_fast=True)
    """The conversation so far. A system message may come first. The user's message comes last, or the results of all
    tools that the assistant called.
    """
    conversation_id: str | None = Field(default=None, min_length=1, max_length=200)
    """Id of a conversation that the service stores. `messages` are then only the new ones. It has to be the record's
    key.
    """

    @classmethod
    def from_text(cls, text: str, given: Collection[str] = ()) -> dict[str, Any]:  # noqa: ARG003
        return {"messages": [{"role": "user", "content": text}]}

    @field_validator("messages")
    @classmethod
    def _ends_with_the_user(cls, messages: list[ChatMessage]) -> list[ChatMessage]:
        if messages[-1].role not in ("user", "tool"):
            raise ValueError("the last message must be the user's, or the result of a tool")
        if any(message.role == "system" for message in messages[1:]):
            raise ValueError("a system message can only come first")
        for number, message in enumerate(messages):
            if (message.tool_call_id is None) is (message.role == "tool"):
                raise ValueError(f"{number}: a message of the role tool has a tool_call_id, and no other has one")
            if message.tool_calls and message.role != "assistant":
                raise ValueError(f"{number}: only a message of the assistant has tool_calls")
        return messages

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if problem := search_options_problem(self):
            raise ValueError(problem)
        searched = self._search_message.content
        if self.collection is not None and isinstance(searched, list) and not any(map(is_text, searched)):
            raise ValueError("the last message needs a text to search the collection with")
        if self.conversation_id is None and (problem := tool_results_problem(self.messages)):
            raise ValueError(problem)
        return self

    @property
    def search_text(self) -> str:
        return self._search_message.text

    @property
    def earlier_search_text(self) -> str:
        texts = (
            each.text for each in reversed(self.messages) if each.role == "user" and each is not self._search_message
        )
        return next(filter(None, texts), "")

    @property
    def _search_message(self) -> ChatMessage:
        return next((each for each in reversed(self.messages) if each.role == "user"), self.messages[-1])


def tool_results_problem(messages: Sequence[ChatMessage]) -> str | None:
    """Return the reason why the messages of the role `tool` are not the results of the calls before them; else None.

    All results follow the message of their calls, one for each call, in any order.
    """
    waiting: set[str] = set()
    for number, message in enumerate(messages):
        if message.role == "tool":
            if message.tool_call_id not in waiting:
                return f"messages.{number}: no call before it has this tool_call_id, or its result is already there"
            waiting.discard(message.tool_call_id)
        elif waiting:
            return f"messages.{number}: the results of the calls {', '.join(sorted(waiting))} have to come before it"
        elif message.tool_calls:
            waiting = {call.id for call in message.tool_calls}
            if len(waiting) < len(message.tool_calls):
                return f"messages.{number}: two calls have the same id"
    return f"messages: the results of the calls {', '.join(sorted(waiting))} are missing" if waiting else None
