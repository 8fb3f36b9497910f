"""A partition's conversations between one request and the next: what is pending, repeated, lost and found again."""

import asyncio
import json
from typing import ClassVar

import pytest
from aiokafka.errors import MessageSizeTooLargeError, TopicAuthorizationFailedError

from carteiro.models.failures import PromptTooLarge
from carteiro.schemas import ChatAnswer, ChatMessage, ChatRequest, ChatResult, OkReply, Timing, Usage
from carteiro.wire.envelope import read_envelope
from carteiro.worker.conversing import conversations as module
from carteiro.worker.conversing.conversations import Conversations
from carteiro.worker.conversing.new_turn import MOST_BYTES
from carteiro.worker.intake import Rejected
from carteiro.worker.kafka.addressing import Address
from carteiro.worker.kafka.compacted_topic import TopicUnusable
from carteiro.worker.replying import Reply
from carteiro.worker.task import Done
from tests.unit.wire.record import FakeRecord

KEY = b"guest-7"
REPLIES = "llm.chat.replies"


class Topic:
    """A topic with one partition, of which the tests say what is in it."""

    name = "llm.chat.conversations"
    options: ClassVar = {}

    def __init__(self):
        self.values, self.failures, self.reads = {}, [], 0

    async def read(self, partition):
        self.reads += 1
        if self.failures:
            raise self.failures.pop(0)
        return dict(self.values), 0


class Model:
    """Says in turn what it is told to, and remembers what it was shown."""

    name, small, context_tokens = "test:echo", False, None

    def __init__(self):
        self.shown, self.failures = [], []

    def count_tokens(self, text):
        return len(text.split())

    async def answer(self, request, model):
        self.shown = [message.content for message in request.messages]
        if self.failures:
            raise self.failures.pop(0)
        return Done(ChatResult(message=ChatAnswer(content=f"re {self.shown[-1]}")), Usage())


class Chat:
    """A service that serves one conversation, and delivers its replies when it is told to."""

    def __init__(self, most_tokens=8000):
        self.topic, self.model = Topic(), Model()
        self.conversations = Conversations(self.topic, most_tokens)

    async def begin(self, offset, text, key=KEY, system=None, **headers):
        said = [ChatMessage(role="user", content=text)]
        first = [ChatMessage(role="system", content=system)] if system else []
        request = ChatRequest(conversation_id="guest-7", messages=[*first, *said])
        record = FakeRecord(request.to_json(), tuple(headers.items()), key, "llm.chat.requests", 0, offset)
        self.envelope = read_envelope(record)
        return await self.conversations.begin(request, self.envelope, 0, self.model.answer)

    async def serve(self, offset, text, **more):
        """Serve a request; its reply, on its way."""
        turn = await self.begin(offset, text, **more)
        done = await turn.run(self.model)
        turn.answered(done.result.message)
        answer = OkReply[ChatResult](
            task="chat",
            request_id=self.envelope.request_id,
            result=done.result,
            model="test:echo",
            usage=Usage(),
            timing=Timing(queue_ms=0, work_ms=0),
        )
        reply = Reply(answer, self.envelope, Address(REPLIES), REPLIES, {}, None, turn=turn)
        reply.handed_over()
        return reply

    def deliver(self, reply):
        kept = next(record for record in reply.records if record.topic == self.topic.name)
        self.topic.values[kept.key] = kept.value
        reply.delivered()


@pytest.fixture
async def chat():
    made = Chat()
    await made.conversations.prepare(0)
    return made


async def test_the_reply_and_the_conversation_are_delivered_together(chat):
    reply = await chat.serve(0, "one")
    kept, answer = reply.records
    assert (kept.topic, kept.partition, kept.key) == ("llm.chat.conversations", 0, KEY)
    assert answer.topic == REPLIES
    assert json.loads(kept.value) == {
        "version": 1,
        "turns": [
            {
                "request_id": chat.envelope.request_id,
                "messages": [{"role": "user", "content": "one"}, {"role": "assistant", "content": "re one"}],
            }
        ],
    }


async def test_the_next_request_waits_for_the_delivery_and_then_sees_it(chat):
    first = await chat.serve(0, "one")
    second = asyncio.create_task(chat.serve(1, "two"))
    await asyncio.sleep(0)
    assert not second.done()
    assert chat.model.shown == ["one"]
    chat.deliver(first)
    await second
    assert chat.model.shown == ["one", "re one", "two"]


async def test_an_undeliverable_reply_leaves_the_conversation_as_it_was(chat):
    chat.deliver(await chat.serve(0, "one"))
    reply = await chat.serve(1, "two")
    third = asyncio.create_task(chat.serve(2, "three"))
    assert reply.refused(reply.records[1], MessageSizeTooLargeError())
    assert [record.topic for record in reply.records] == [REPLIES]
    assert json.loads(reply.records[0].value)["error"]["code"] == "too_large"
    reply.delivered()
    await third
    assert chat.model.shown == ["one", "re one", "three"]


async def test_a_conversation_that_its_topic_finds_too_large_loses_what_is_oldest(chat):
    for offset, text in enumerate(("one", "two", "three")):
        chat.deliver(await chat.serve(offset, text))
    reply = await chat.serve(3, "four")

    def turns():
        return [turn["messages"][0]["content"] for turn in json.loads(reply.records[0].value)["turns"]]

    assert turns() == ["one", "two", "three", "four"]
    for left in (["three", "four"], ["four"]):
        assert reply.refused(reply.records[0], MessageSizeTooLargeError())
        assert turns() == left
    assert reply.refused(reply.records[0], MessageSizeTooLargeError())
    (answer,) = reply.records
    assert json.loads(answer.value)["error"]["code"] == "too_large"


async def test_a_topic_that_may_not_be_written_to_is_an_error_reply(chat):
    reply = await chat.serve(0, "one")
    assert reply.refused(reply.records[0], TopicAuthorizationFailedError())
    (answer,) = reply.records
    assert json.loads(answer.value)["error"]["code"] == "unsupported"
    await chat.begin(1, "two")


async def test_a_request_that_is_served_again_takes_its_turn_s_place(chat):
    chat.deliver(await chat.serve(0, "one"))
    chat.deliver(await chat.serve(1, "two"))
    await chat.conversations.prepare(0)
    chat.deliver(await chat.serve(0, "one"))
    assert chat.model.shown == ["one"], "it sees what was said before it, not itself"
    chat.deliver(await chat.serve(1, "two"))
    chat.deliver(await chat.serve(2, "three"))
    assert chat.model.shown == ["one", "re one", "two", "re two", "three"]


async def test_a_request_that_is_sent_again_takes_its_turn_s_place(chat):
    for offset in (0, 1):
        chat.deliver(await chat.serve(offset, "one", idempotency_key=b"k"))
    chat.deliver(await chat.serve(2, "another", idempotency_key=b"k"))
    assert chat.model.shown == ["one", "re one", "another"], "another request is another turn, whatever its key"


async def test_what_is_on_its_way_outlives_a_rebalance_that_leaves_the_partition_here(chat):
    chat.deliver(await chat.serve(0, "one"))
    pending = await chat.serve(1, "two")
    await chat.conversations.prepare(0)
    third = asyncio.create_task(chat.serve(2, "three"))
    await asyncio.sleep(0)
    assert not third.done()
    chat.deliver(pending)
    await third
    assert chat.model.shown == ["one", "re one", "two", "re two", "three"]


async def test_what_another_owner_has_delivered_counts(chat):
    ours = await chat.serve(0, "one")
    theirs = Chat()
    await theirs.conversations.prepare(0)
    theirs.deliver(await theirs.serve(0, "one"))
    theirs.deliver(await theirs.serve(1, "two"))
    chat.topic.values = theirs.topic.values
    await chat.conversations.prepare(0)
    ours.delivered()
    await chat.serve(2, "three")
    assert chat.model.shown == ["one", "re one", "two", "re two", "three"]


async def test_a_partition_that_is_given_away_is_forgotten_with_what_was_on_its_way(chat):
    chat.deliver(await chat.serve(0, "one"))
    await chat.serve(1, "lost")
    chat.conversations.forget(0)
    await chat.conversations.prepare(0)
    await chat.serve(2, "two")
    assert chat.model.shown == ["one", "re one", "two"]


async def test_what_the_model_is_not_shown_is_not_kept():
    chat = Chat(most_tokens=100)
    await chat.conversations.prepare(0)
    chat.deliver(await chat.serve(0, "one " * 20, system="Be kind."))
    chat.deliver(await chat.serve(1, "two " * 20))
    assert [said.split()[0] for said in chat.model.shown] == ["Be", "two"]
    kept = json.loads(chat.topic.values[KEY])
    assert kept["system"] == "Be kind."
    assert len(kept["turns"]) == 1


async def test_a_model_that_finds_it_too_large_is_shown_less_and_the_next_one_all(chat):
    for offset, text in enumerate(("one", "two")):
        chat.deliver(await chat.serve(offset, text))
    turn = await chat.begin(2, "three")
    chat.model.failures = [PromptTooLarge("no")] * 3
    with pytest.raises(PromptTooLarge):
        await turn.run(chat.model)
    assert chat.model.shown == ["three"]
    await turn.run(chat.model)
    assert chat.model.shown == ["one", "re one", "two", "re two", "three"]


async def test_a_record_fits_the_broker(chat):
    chunk = "x" * (MOST_BYTES // 3)
    for offset in range(5):
        reply = await chat.serve(offset, chunk)
        assert len(reply.records[0].value) <= MOST_BYTES
        chat.deliver(reply)
    with pytest.raises(Rejected) as rejected:
        await chat.begin(9, "x" * (MOST_BYTES + 1))
    assert rejected.value.error.code == "too_large"


async def test_without_the_topic_conversations_are_turned_down_until_it_is_there(monkeypatch):
    chat = Chat()
    chat.topic.failures = [TopicUnusable("create it")]
    await chat.conversations.prepare(0)
    for _ in range(2):
        with pytest.raises(Rejected, match="create it") as rejected:
            await chat.begin(0, "one")
        assert rejected.value.error.code == "unsupported"
    assert chat.topic.reads == 1, "it is not asked for with every request"
    monkeypatch.setattr(module, "_TRY_AGAIN_SECONDS", 0.0)
    await chat.begin(0, "one")


async def test_what_may_pass_is_tried_again(monkeypatch):
    monkeypatch.setattr(module, "_PAUSE_SECONDS", 0.0)
    chat = Chat()
    chat.topic.failures = [TimeoutError(), OSError()]
    await chat.conversations.prepare(0)
    assert chat.topic.reads == 3
    await chat.begin(0, "one")


@pytest.mark.parametrize("value", [b"?", b'{"version": 2, "turns": []}', b"[]"])
async def test_a_conversation_of_another_form_is_not_written_over(value):
    chat = Chat()
    chat.topic.values[KEY] = value
    await chat.conversations.prepare(0)
    with pytest.raises(Rejected) as rejected:
        await chat.begin(0, "one")
    assert rejected.value.error.code == "unsupported"


@pytest.mark.parametrize("key", [None, b"", b"guest-8"])
async def test_the_record_s_key_has_to_be_the_conversation(chat, key):
    with pytest.raises(Rejected) as rejected:
        await chat.begin(0, "one", key=key)
    assert rejected.value.error.fields[0].field == "conversation_id"
