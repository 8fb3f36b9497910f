"""The conversations of a partition between requests: pending, repeated, lost and loaded turns."""

import asyncio
import json
from typing import ClassVar

import pytest
from aiokafka.errors import MessageSizeTooLargeError, TopicAuthorizationFailedError

from carteiro.kafka.compacted_topic import TopicUnusable
from carteiro.models.errors import PromptTooLarge
from carteiro.schemas import OkReply, Timing, Usage
from carteiro.schemas.chat import ChatAnswer, ChatMessage, ChatRequest, ChatResult
from carteiro.tasks.task import TaskOutput
from carteiro.wire.envelope import read_envelope
from carteiro.worker.conversations.pending_turn import MAX_RECORD_BYTES
from carteiro.worker.conversations.store import ConversationStore
from carteiro.worker.handling.reply_outcome import ReplyOutcome
from carteiro.worker.handling.reply_router import ReplyAddress
from carteiro.worker.parsing import RequestRejected
from tests.unit.wire.fake_record import FakeRecord

KEY = b"guest-7"
REPLIES = "llm.chat.replies"


class FakeConversationTopic:
    """A topic with one partition. The tests set its records."""

    name = "llm.chat.conversations"
    options: ClassVar = {}

    def __init__(self):
        self.values, self.failures, self.reads = {}, [], 0

    async def read(self, partition):
        self.reads += 1
        if self.failures:
            raise self.failures.pop(0)
        return dict(self.values), 0


class EchoModel:
    """A model that gives its answers in turn and remembers the messages that it was shown."""

    name, remote, is_small, context_tokens = "test:echo", True, False, None

    def __init__(self):
        self.seen_messages, self.failures = [], []

    def count_tokens(self, text):
        return len(text.split())

    async def answer(self, request, model):
        self.seen_messages = [message.content for message in request.messages]
        if self.failures:
            raise self.failures.pop(0)
        return TaskOutput(ChatResult(message=ChatAnswer(content=f"re {self.seen_messages[-1]}")), Usage())


class ConversationHarness:
    """A service with one conversation. It delivers its replies when the test says so."""

    def __init__(self, max_tokens=8000):
        self.topic, self.model = FakeConversationTopic(), EchoModel()
        self.conversations = ConversationStore(self.topic, max_tokens)

    async def open_turn(self, offset, text, key=KEY, system=None, **headers):
        message = [ChatMessage(role="user", content=text)]
        first = [ChatMessage(role="system", content=system)] if system else []
        request = ChatRequest(conversation_id="guest-7", messages=[*first, *message])
        record = FakeRecord(request.to_json(), tuple(headers.items()), key, "llm.chat.requests", 0, offset)
        self.envelope = read_envelope(record)
        return await self.conversations.open_turn(request, self.envelope, 0, self.model.answer)

    async def serve(self, offset, text, **more):
        """Handle a request, and return its reply, which is not acknowledged yet."""
        turn = await self.open_turn(offset, text, **more)
        done = await turn.run(self.model)
        turn.set_answer(done.result.message)
        answer = OkReply[ChatResult](
            task="chat",
            request_id=self.envelope.request_id,
            result=done.result,
            model="test:echo",
            usage=Usage(),
            timing=Timing(queue_ms=0, work_ms=0),
        )
        reply = ReplyOutcome(answer, self.envelope, ReplyAddress(REPLIES), REPLIES, {}, None, turn=turn)
        reply.on_queued()
        return reply

    def deliver(self, reply):
        stored = next(record for record in reply.records if record.topic == self.topic.name)
        self.topic.values[stored.key] = stored.value
        reply.on_acknowledged()


@pytest.fixture
async def chat():
    made = ConversationHarness()
    await made.conversations.load(0)
    return made


async def test_reply_and_conversation_are_delivered_together(chat):
    reply = await chat.serve(0, "one")
    stored, answer = reply.records
    assert (stored.topic, stored.partition, stored.key) == ("llm.chat.conversations", 0, KEY)
    assert answer.topic == REPLIES
    assert json.loads(stored.value) == {
        "version": 1,
        "turns": [
            {
                "request_id": chat.envelope.request_id,
                "messages": [{"role": "user", "content": "one"}, {"role": "assistant", "content": "re one"}],
            }
        ],
    }


async def test_next_request_waits_for_the_delivery_and_then_sees_it(chat):
    first = await chat.serve(0, "one")
    second = asyncio.create_task(chat.serve(1, "two"))
    await asyncio.sleep(0)
    assert not second.done()
    assert chat.model.seen_messages == ["one"]
    chat.deliver(first)
    await second
    assert chat.model.seen_messages == ["one", "re one", "two"]


async def test_undeliverable_reply_leaves_the_conversation_unchanged(chat):
    chat.deliver(await chat.serve(0, "one"))
    reply = await chat.serve(1, "two")
    third = asyncio.create_task(chat.serve(2, "three"))
    replacement = reply.fall_back(reply.records[1], MessageSizeTooLargeError())
    assert [record.topic for record in replacement.records] == [REPLIES]
    assert json.loads(replacement.records[0].value)["error"]["code"] == "too_large"
    replacement.on_queued()
    replacement.on_acknowledged()
    await third
    assert chat.model.seen_messages == ["one", "re one", "three"]


async def test_conversation_too_large_for_its_topic_loses_its_oldest_turns(chat):
    for offset, text in enumerate(("one", "two", "three")):
        chat.deliver(await chat.serve(offset, text))
    reply = await chat.serve(3, "four")

    def turns(reply):
        return [turn["messages"][0]["content"] for turn in json.loads(reply.records[0].value)["turns"]]

    assert turns(reply) == ["one", "two", "three", "four"]
    for left in (["three", "four"], ["four"]):
        shorter = reply.fall_back(reply.records[0], MessageSizeTooLargeError())
        shorter.on_queued()
        assert turns(shorter) == left
        assert turns(reply) != left, "an outcome never changes"
        reply = shorter
    (answer,) = reply.fall_back(reply.records[0], MessageSizeTooLargeError()).records
    assert json.loads(answer.value)["error"]["code"] == "too_large"


@pytest.mark.parametrize("acknowledged", ["first", "replacement"])
async def test_next_request_sees_the_conversation_that_was_really_written(chat, acknowledged):
    for offset, text in enumerate(("one", "two")):
        chat.deliver(await chat.serve(offset, text))
    reply = await chat.serve(2, "three")
    shorter = reply.fall_back(reply.records[0], MessageSizeTooLargeError())
    shorter.on_queued()
    fourth = asyncio.create_task(chat.serve(3, "four"))
    await asyncio.sleep(0)
    assert not fourth.done()
    chat.deliver(reply if acknowledged == "first" else shorter)
    await fourth
    earlier = ["one", "re one"] if acknowledged == "first" else []
    assert chat.model.seen_messages == [*earlier, "two", "re two", "three", "re three", "four"]


async def test_replacement_does_not_undo_what_another_owner_has_stored(chat):
    chat.deliver(await chat.serve(0, "one"))
    reply = await chat.serve(1, "two")
    theirs = ConversationHarness()
    theirs.topic.values = dict(chat.topic.values)
    await theirs.conversations.load(0)
    theirs.deliver(await theirs.serve(1, "two"))
    theirs.deliver(await theirs.serve(2, "three"))
    chat.topic.values = theirs.topic.values
    await chat.conversations.load(0)
    shorter = reply.fall_back(reply.records[0], MessageSizeTooLargeError())
    shorter.on_queued()
    shorter.on_acknowledged()
    await chat.serve(3, "four")
    assert chat.model.seen_messages[-3:] == ["three", "re three", "four"]


async def test_topic_that_rejects_writes_leads_to_an_error_reply(chat):
    reply = await chat.serve(0, "one")
    replacement = reply.fall_back(reply.records[0], TopicAuthorizationFailedError())
    replacement.on_queued()
    (answer,) = replacement.records
    assert json.loads(answer.value)["error"]["code"] == "unsupported"
    await chat.open_turn(1, "two")


async def test_request_that_is_delivered_again_replaces_its_turn(chat):
    chat.deliver(await chat.serve(0, "one"))
    chat.deliver(await chat.serve(1, "two"))
    await chat.conversations.load(0)
    chat.deliver(await chat.serve(0, "one"))
    assert chat.model.seen_messages == ["one"], "it sees what was said before it, not itself"
    chat.deliver(await chat.serve(1, "two"))
    chat.deliver(await chat.serve(2, "three"))
    assert chat.model.seen_messages == ["one", "re one", "two", "re two", "three"]


async def test_request_that_is_sent_again_replaces_its_turn(chat):
    for offset in (0, 1):
        chat.deliver(await chat.serve(offset, "one", idempotency_key=b"k"))
    chat.deliver(await chat.serve(2, "another", idempotency_key=b"k"))
    assert chat.model.seen_messages == ["one", "re one", "another"], "another request is another turn, whatever its key"


async def test_pending_turn_survives_a_rebalance_that_keeps_the_partition(chat):
    chat.deliver(await chat.serve(0, "one"))
    pending = await chat.serve(1, "two")
    await chat.conversations.load(0)
    third = asyncio.create_task(chat.serve(2, "three"))
    await asyncio.sleep(0)
    assert not third.done()
    chat.deliver(pending)
    await third
    assert chat.model.seen_messages == ["one", "re one", "two", "re two", "three"]


async def test_turns_of_another_owner_are_loaded(chat):
    ours = await chat.serve(0, "one")
    theirs = ConversationHarness()
    await theirs.conversations.load(0)
    theirs.deliver(await theirs.serve(0, "one"))
    theirs.deliver(await theirs.serve(1, "two"))
    chat.topic.values = theirs.topic.values
    await chat.conversations.load(0)
    ours.on_acknowledged()
    await chat.serve(2, "three")
    assert chat.model.seen_messages == ["one", "re one", "two", "re two", "three"]


async def test_lost_partition_is_unloaded_with_its_pending_turns(chat):
    chat.deliver(await chat.serve(0, "one"))
    await chat.serve(1, "lost")
    chat.conversations.unload(0)
    await chat.conversations.load(0)
    await chat.serve(2, "two")
    assert chat.model.seen_messages == ["one", "re one", "two"]


async def test_turns_that_the_model_is_not_shown_are_not_kept():
    chat = ConversationHarness(max_tokens=100)
    await chat.conversations.load(0)
    chat.deliver(await chat.serve(0, "one " * 20, system="Be kind."))
    chat.deliver(await chat.serve(1, "two " * 20))
    assert [message.split()[0] for message in chat.model.seen_messages] == ["Be", "two"]
    stored = json.loads(chat.topic.values[KEY])
    assert stored["system"] == "Be kind."
    assert len(stored["turns"]) == 1


async def test_model_error_too_large_shortens_the_prompt_and_the_next_request_sees_all(chat):
    for offset, text in enumerate(("one", "two")):
        chat.deliver(await chat.serve(offset, text))
    turn = await chat.open_turn(2, "three")
    chat.model.failures = [PromptTooLarge("no")] * 3
    with pytest.raises(PromptTooLarge):
        await turn.run(chat.model)
    assert chat.model.seen_messages == ["three"]
    await turn.run(chat.model)
    assert chat.model.seen_messages == ["one", "re one", "two", "re two", "three"]


async def test_record_fits_the_brokers_limit(chat):
    chunk = "x" * (MAX_RECORD_BYTES // 3)
    for offset in range(5):
        reply = await chat.serve(offset, chunk)
        assert len(reply.records[0].value) <= MAX_RECORD_BYTES
        chat.deliver(reply)
    with pytest.raises(RequestRejected) as rejected:
        await chat.open_turn(9, "x" * (MAX_RECORD_BYTES + 1))
    assert rejected.value.error.code == "too_large"


class FakeTime:
    """A clock that only its sleeper and the test move."""

    def __init__(self):
        self.now, self.pauses = 1000.0, 0

    def __call__(self):
        return self.now

    async def sleep(self, seconds):
        self.now += seconds
        self.pauses += 1


def harness_on(clock):
    chat = ConversationHarness()
    chat.conversations = ConversationStore(chat.topic, 8000, now=clock, sleep=clock.sleep)
    return chat


async def test_missing_topic_rejects_conversations_until_it_exists():
    clock = FakeTime()
    chat = harness_on(clock)
    chat.topic.failures = [TopicUnusable("create it")]
    await chat.conversations.load(0)
    for _ in range(2):
        with pytest.raises(RequestRejected, match="create it") as rejected:
            await chat.open_turn(0, "one")
        assert rejected.value.error.code == "unsupported"
    assert chat.topic.reads == 1, "it is not asked for with every request"
    clock.now += 11
    await chat.open_turn(0, "one")


async def test_transient_failure_is_tried_again():
    clock = FakeTime()
    chat = harness_on(clock)
    chat.topic.failures = [TimeoutError(), OSError()]
    await chat.conversations.load(0)
    assert (chat.topic.reads, clock.pauses) == (3, 2)
    await chat.open_turn(0, "one")


async def test_partition_whose_conversations_stay_unreadable_is_served_without_them():
    clock = FakeTime()
    chat = harness_on(clock)
    chat.topic.failures = [TimeoutError()] * 100
    await chat.conversations.load(0)
    assert 30 <= clock.now - 1000 < 36
    with pytest.raises(RequestRejected, match="cannot be read"):
        await chat.open_turn(0, "one")


@pytest.mark.parametrize("value", [b"?", b'{"version": 2, "turns": []}', b"[]"])
async def test_conversation_in_another_format_is_not_overwritten(value):
    chat = ConversationHarness()
    chat.topic.values[KEY] = value
    await chat.conversations.load(0)
    with pytest.raises(RequestRejected) as rejected:
        await chat.open_turn(0, "one")
    assert rejected.value.error.code == "unsupported"


@pytest.mark.parametrize("key", [None, b"", b"guest-8"])
async def test_record_key_must_be_the_conversation_id(chat, key):
    with pytest.raises(RequestRejected) as rejected:
        await chat.open_turn(0, "one", key=key)
    assert rejected.value.error.fields[0].field == "conversation_id"


async def test_result_of_a_tool_that_nobody_called_is_rejected(chat):
    message = ChatMessage(role="tool", content="12:00", tool_call_id="a")
    request = ChatRequest(conversation_id="guest-7", messages=[message])
    envelope = read_envelope(FakeRecord(request.to_json(), (), KEY, "llm.chat.requests", 0, 0))
    with pytest.raises(RequestRejected, match=r"messages: with the stored ones before them: .* no call before it"):
        await chat.conversations.open_turn(request, envelope, 0, chat.model.answer)
