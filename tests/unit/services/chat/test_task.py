"""The chat task."""

from carteiro.schemas.chat import ChatRequest
from services.chat.task import task


async def test_conversation_goes_to_the_model_unchanged(ask, provider) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Why?"},
    ]
    done = await ask("chat", ["Because."], messages=messages)
    assert provider.requests[-1].body["messages"] == messages
    assert done.result.message.content == "Because."
    assert done.result.message.role == "assistant"


def test_requests_of_a_conversation_stay_in_order() -> None:
    assert task.ordered_by_key
    assert task.keeps_conversations
    assert task.streams
    assert task.request is ChatRequest
