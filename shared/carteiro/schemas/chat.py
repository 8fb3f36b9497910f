"""chat: the next message of a conversation."""

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from carteiro.schemas.reply import ReplySchema
from carteiro.schemas.request import Request, Schema, Text, examples


class ChatMessage(Schema):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: Text


class ChatAnswer(ReplySchema):
    """The assistant's message, ready to be appended to the conversation."""

    role: Literal["assistant"] = "assistant"
    content: str


class ChatResult(ReplySchema):
    """The assistant's turn."""

    model_config = examples({"message": {"role": "assistant", "content": "Lisbon."}})

    message: ChatAnswer


class ChatRequest(Request[ChatResult]):
    """Take the assistant's next turn. Requests with one record key are answered in order."""

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
    )
    task: ClassVar = "chat"
    result: ClassVar = ChatResult

    messages: list[ChatMessage] = Field(min_length=1)
    """The conversation so far; a system message may come first, the user's message comes last."""
    conversation_id: str | None = Field(default=None, min_length=1, max_length=200)
    """The conversation that the service keeps: `messages` are then only what is new. It has to be the record's key."""

    @field_validator("messages")
    @classmethod
    def _ends_with_the_user(cls, messages: list[ChatMessage]) -> list[ChatMessage]:
        if messages[-1].role != "user":
            raise ValueError("the last message must be the user's")
        if any(message.role == "system" for message in messages[1:]):
            raise ValueError("a system message can only come first")
        return messages
