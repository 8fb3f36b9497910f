"""The step that continues a stored conversation."""

import pytest

from carteiro.references.allow_list import parse_allow_list
from carteiro.references.object_stores import ObjectStores
from carteiro.references.reader import ReferenceReader
from carteiro.schemas import OkReply, Usage
from carteiro.schemas.chat import ChatAnswer, ChatRequest, ChatResult
from carteiro.schemas.media_file import read_media
from carteiro.tasks.messages import prompt_message
from carteiro.worker.handling.steps.conversation import InConversation
from carteiro.worker.handling.steps.references import ResolveReferences
from services.chat.task import task
from tests import media


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


def with_files(text, *attachments):
    content = [*attachments, {"type": "text", "text": text}]
    return chat_request(content)


class Prompts:
    """Handler that keeps the prompts that the chat task would send."""

    def __init__(self):
        self.parts = []

    async def __call__(self, context):
        self.parts = [prompt_message(each).parts for each in context.turn.full_request.messages]
        return await ChatHandler()(context)


async def test_file_of_an_earlier_turn_is_shown_again_by_its_address(make_context, conversations, tmp_path):
    file = tmp_path / "a.png"
    file.write_bytes(media.PNG)
    reader = ReferenceReader(parse_allow_list(tmp_path.as_uri()), 10_000, ObjectStores())
    resolve, step, prompts = ResolveReferences(reader), InConversation(conversations, task, reader), Prompts()
    request = with_files("What is it?", {"uri": file.as_uri(), "name": "a.png"}, {"data": media.encoded(media.PDF)})
    first = make_context(request, partition=3, key=b"guest-7")
    await resolve(first, lambda context: step(context, prompts))
    image, pdf = read_media(media.PNG, "a.png"), read_media(media.PDF)
    assert prompts.parts == [[image, pdf, "What is it?"]]
    assert image.data.encode() not in first.turn.record.value
    assert pdf.data.encode() not in first.turn.record.value
    first.turn.on_acknowledged()

    second = make_context(chat_request("And its colour?"), partition=3, offset=1, key=b"guest-7")
    await step(second, prompts)
    note = "[An attached pdf, without a name, was shown and is not kept.]\n\nWhat is it?"
    assert prompts.parts == [[image, note], ["Lisbon."], ["And its colour?"]]
    second.turn.on_acknowledged()

    file.unlink()
    third = make_context(chat_request("Sure?"), partition=3, offset=2, key=b"guest-7")
    await step(third, prompts)
    assert prompts.parts[0] == [f"[An attached file, a.png, cannot be read any more.]\n\n{note}"]
    assert file.as_uri().encode() in third.turn.record.value, "the next turn tries the address again"


async def test_service_without_references_shows_notes(make_context, conversations, tmp_path):
    prompts = Prompts()
    first = make_context(with_files("What?", {"uri": "s3://a/b.png"}), partition=3, key=b"guest-7")
    first.request.messages[0].content[0] = first.request.messages[0].attachments[0].with_content(media.PNG)
    step = InConversation(conversations, task)
    await step(first, prompts)
    first.turn.on_acknowledged()
    await step(make_context(chat_request("Sure?"), partition=3, offset=1, key=b"guest-7"), prompts)
    assert prompts.parts[0] == ["[An attached file, without a name, cannot be read any more.]\n\nWhat?"]
