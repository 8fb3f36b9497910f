"""chat: the next message of a conversation."""

from collections.abc import Collection, Sequence
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from carteiro.schemas.attachment import Attachment, Content, is_text, join_texts
from carteiro.schemas.collection import CollectionRequest, Source, search_options_problem
from carteiro.schemas.reply import ReplySchema, Result
from carteiro.schemas.request import Schema, examples


class ChatMessage(Schema):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: Content
    """A text, or a list of texts (`{"type": "text", "text": ...}`) and, from the user, of images, files and sounds."""

    @model_validator(mode="after")
    def _only_the_user_attaches(self) -> Self:
        if self.role != "user" and isinstance(self.content, list) and not all(map(is_text, self.content)):
            raise ValueError("only a message of the user can have images, files and sounds")
        return self

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


class ChatResult(Result):
    """The assistant's turn."""

    model_config = examples(
        {"message": {"role": "assistant", "content": "Lisbon."}, "reasoning": None, "sources": []},
    )

    message: ChatAnswer
    reasoning: str | None = None
    """The model's thinking before it answered, if `options.reasoning` asks for it and the service shows it."""
    sources: list[Source] = Field(default=[])
    """The quotations that the answer rests on, for a request with a collection."""

    def render(self) -> str:
        return "\n".join([self.message.content, *(each.render() for each in self.sources)])


class ChatRequest(CollectionRequest[ChatResult]):
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
    )
    task: ClassVar = "chat"
    result: ClassVar = ChatResult
    text_field: ClassVar = "messages"
    streams: ClassVar = True
    writes: ClassVar = True

    messages: list[ChatMessage] = Field(min_length=1, max_length=10_000, fail_fast=True)
    """The conversation so far. A system message may come first, and the user's message comes last."""
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
        if messages[-1].role != "user":
            raise ValueError("the last message must be the user's")
        if any(message.role == "system" for message in messages[1:]):
            raise ValueError("a system message can only come first")
        return messages

    @model_validator(mode="after")
    def _searches_a_collection(self) -> Self:
        if problem := search_options_problem(self):
            raise ValueError(problem)
        last = self.messages[-1].content
        if self.collection is not None and isinstance(last, list) and not any(map(is_text, last)):
            raise ValueError("the last message needs a text to search the collection with")
        return self

    @property
    def search_text(self) -> str:
        return self.messages[-1].text
