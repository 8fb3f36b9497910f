"""Schemas of chat."""

import pytest
from pydantic import ValidationError

from carteiro.schemas.chat import ChatAnswer, ChatRequest, ChatResult

USER, SYSTEM = {"role": "user", "content": "x"}, {"role": "system", "content": "x"}


def test_text_is_the_users_message() -> None:
    assert ChatRequest.model_validate(ChatRequest.from_text("x")).messages[0].role == "user"


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([], "at least 1"),
        ([{"role": "assistant", "content": "x"}], "must be the user's"),
        ([USER, SYSTEM, USER], "can only come first"),
        ([{"role": "robot", "content": "x"}], "'system', 'user'"),
    ],
)
def test_inconsistent_conversation_is_rejected(messages: list[dict[str, str]], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        ChatRequest.model_validate({"messages": messages})


def test_message_is_shown() -> None:
    assert ChatResult(message=ChatAnswer(content="Lisbon.")).render() == "Lisbon."
