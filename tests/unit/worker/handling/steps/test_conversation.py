"""The step that continues a stored conversation."""

import pytest

from carteiro.schemas import OkReply, Usage
from carteiro.schemas.chat import ChatAnswer, ChatRequest, ChatResult
from carteiro.worker.handling.steps.conversation import InConversation
from services.chat.task import task


def chat_request(text, conversation_id="guest-7"):
    return ChatRequest.model_validate(
        {"messages": [{"role": "user", "content": text}], "conversation_id": conversation_id}
    )


class ChatHandler:
    """Handler after the step. It keeps the messages of the request, and gives a fixed answer."""

    def __init__(self):
        self.messages = None

    async def __call__(self, context):
        self.messages = [each.content for each in context.request.messages]
        result = ChatResult(message=ChatAnswer(content="Lisbon."))
        return OkReply[ChatResult](
            task="chat", request_id="t/3/0", result=result, model="test:model", usage=Usage(), timing=context.timing
        )


@pytest.fixture
def chat_handler():
    return ChatHandler()


async def test_request_gets_the_earlier_turn_before_its_own_messages(make_context, chat_handler, conversations):
    step = InConversation(conversations, task)
    first = make_context(chat_request("The capital of Portugal?"), partition=3, key=b"guest-7")
    reply = await step(first, chat_handler)
    assert reply.result.message.content == "Lisbon."
    assert chat_handler.messages == ["The capital of Portugal?"]
    first.turn.on_acknowledged()
    second = make_context(chat_request("And its river?"), partition=3, offset=1, key=b"guest-7")
    await step(second, chat_handler)
    assert chat_handler.messages == ["The capital of Portugal?", "Lisbon.", "And its river?"]


@pytest.mark.parametrize(("has_store", "conversation_id"), [(False, "guest-7"), (True, None)])
async def test_request_outside_of_conversations_goes_on_unchanged(
    make_context, chat_handler, conversations, has_store, conversation_id
):
    request = chat_request("Hello?", conversation_id)
    context = make_context(request, partition=3, key=b"guest-7")
    await InConversation(conversations if has_store else None, task)(context, chat_handler)
    assert context.turn is None
    assert context.request is request
    assert chat_handler.messages == ["Hello?"]
