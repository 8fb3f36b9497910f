"""Conversations of the chat service: the messages that the model is shown, over requests, restarts and errors."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from carteiro.cli.embedded import EmbeddedBroker
from carteiro.client import Carteiro
from carteiro.kafka import compacted_topic
from carteiro.worker.app import worker
from carteiro.worker.conversations import store
from carteiro.worker.worker import Worker
from services.chat.task import task
from tests.broker.conftest import environment
from tests.broker.raw_kafka_client import RawKafkaClient
from tests.conftest import eventually
from tests.provider import Provider

REQUESTS, CONVERSATIONS = "llm.chat.requests", "llm.chat.conversations"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def chatter(services: Worker, broker: EmbeddedBroker) -> AsyncIterator[RawKafkaClient]:
    async with RawKafkaClient(broker.address, "llm.chat.replies") as running:
        yield running


@pytest.fixture
def guest() -> str:
    """Return the id of a new conversation."""
    return f"guest-{uuid.uuid4()}"


def says(guest: str, text: str, **more):
    return {"conversation_id": guest, "messages": [{"role": "user", "content": text}], **more}


def shown(provider: Provider) -> list[str]:
    """Return the messages that the model was shown last."""
    return [message["content"] for message in provider.requests[-1].body["messages"]]


async def start(prefix: str, broker: EmbeddedBroker, provider: Provider, monkeypatch) -> Worker:
    for name, value in (environment(broker, provider) | {"CARTEIRO_TOPIC_PREFIX": prefix}).items():
        monkeypatch.setenv(name, value)
    app = worker(task)
    await app.start()
    await eventually(lambda: app.health.ready)
    return app


async def test_conversation_continues_over_three_requests(carteiro: Carteiro, provider: Provider, guest: str):
    teacher = {"role": "system", "content": "Teach."}
    await carteiro.chat([teacher, {"role": "user", "content": "one"}], conversation_id=guest)
    await carteiro.chat([{"role": "user", "content": "two"}], conversation_id=guest)
    reply = await carteiro.chat([{"role": "user", "content": "three"}], conversation_id=guest)
    assert reply.result.message.content == "three"
    assert shown(provider) == ["Teach.", "one", "one", "two", "two", "three"]
    roles = [message["role"] for message in provider.requests[-1].body["messages"]]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]


async def test_new_system_message_replaces_the_old_one(carteiro: Carteiro, provider: Provider, guest: str):
    for rule, text in (("Be brief.", "one"), ("Be kind.", "two")):
        messages = [{"role": "system", "content": rule}, {"role": "user", "content": text}]
        await carteiro.chat(messages, conversation_id=guest)
    assert shown(provider) == ["Be kind.", "one", "one", "two"]


async def test_concurrent_conversations_are_separate(chatter: RawKafkaClient, provider: Provider, guest: str):
    other = f"{guest}-other"
    for text in ("one", "two"):
        for who in (guest, other):
            await chatter.ask(REQUESTS, says(who, f"{who} {text}"), key=who.encode(), partition=0)
            assert all(text.startswith(f"{who} ") for text in shown(provider))
    assert shown(provider) == [f"{other} one", f"{other} one", f"{other} two"]


async def test_requests_sent_at_once_see_each_other(chatter: RawKafkaClient, provider: Provider, guest: str):
    await asyncio.gather(*(chatter.ask(REQUESTS, says(guest, each), key=guest.encode()) for each in "abc"))
    assert len(shown(provider)) == 5


async def test_request_without_an_id_is_not_kept(chatter: RawKafkaClient, provider: Provider, guest: str):
    for text in ("one", "two"):
        body = {"messages": [{"role": "user", "content": text}]}
        await chatter.ask(REQUESTS, body, key=guest.encode())
    assert shown(provider) == ["two"]


@pytest.mark.parametrize("key", [None, b"somebody else"])
async def test_other_key_is_rejected(chatter: RawKafkaClient, provider: Provider, guest: str, key: bytes | None):
    before = len(provider.requests)
    reply, _ = await chatter.ask(REQUESTS, says(guest, "one"), key=key)
    assert reply["error"]["code"] == "invalid_request"
    assert reply["error"]["fields"][0]["field"] == "conversation_id"
    assert "record's key" in reply["error"]["message"]
    assert len(provider.requests) == before


async def test_error_leaves_the_conversation_unchanged(chatter: RawKafkaClient, provider: Provider, guest: str):
    await chatter.ask(REQUESTS, says(guest, "one"), key=guest.encode())
    provider.next("400")
    reply, _ = await chatter.ask(REQUESTS, says(guest, "wrong"), key=guest.encode())
    assert reply["status"] == "error"
    await chatter.ask(REQUESTS, says(guest, "two"), key=guest.encode())
    assert shown(provider) == ["one", "one", "two"]


async def test_repeated_request_adds_no_second_turn(chatter: RawKafkaClient, provider: Provider, guest: str):
    again = [("idempotency_key", b"once")]
    for _ in range(2):
        await chatter.ask(REQUESTS, says(guest, "one"), again, key=guest.encode())
    await chatter.ask(REQUESTS, says(guest, "two"), key=guest.encode())
    assert shown(provider) == ["one", "one", "two"]


async def test_cached_reply_is_a_turn_and_needs_an_equal_conversation(
    chatter: RawKafkaClient, provider: Provider, guest: str
):
    other = f"{guest}-other"
    cached = {"options": {"cache": True}}
    for who in (guest, other):
        await chatter.ask(REQUESTS, says(who, "one", **cached), key=who.encode())
    before = len(provider.requests)
    await chatter.ask(REQUESTS, says(other, "one", **cached), key=other.encode())
    assert len(provider.requests) == before + 1, "the conversation has gone on"
    assert shown(provider) == ["one", "one", "one"]


async def test_too_large_prompt_is_shortened(chatter: RawKafkaClient, provider: Provider, guest: str):
    for text in ("one", "two"):
        await chatter.ask(REQUESTS, says(guest, text), key=guest.encode())
    provider.next("context")
    await chatter.ask(REQUESTS, says(guest, "three"), key=guest.encode())
    assert shown(provider) == ["two", "two", "three"]
    await chatter.ask(REQUESTS, says(guest, "four"), key=guest.encode())
    assert shown(provider) == ["two", "two", "three", "three", "four"], "what was not shown is not kept"


async def test_restarted_worker_loads_the_conversation(
    broker: EmbeddedBroker, provider: Provider, monkeypatch, guest: str
):
    for number in range(3):
        app = await start("again", broker, provider, monkeypatch)
        async with Carteiro(broker.address, topic_prefix="again") as carteiro:
            await carteiro.chat([{"role": "user", "content": str(number)}], conversation_id=guest)
        await app.stop()
    assert shown(provider) == ["0", "0", "1", "1", "2"]


async def test_repetition_after_a_restart_replaces_its_turn(
    broker: EmbeddedBroker, provider: Provider, monkeypatch, guest: str
):
    for text in ("one", "one", "two"):
        app = await start("repeat", broker, provider, monkeypatch)
        async with Carteiro(broker.address, topic_prefix="repeat") as carteiro:
            message = {"role": "user", "content": text}
            await carteiro.chat([message], conversation_id=guest, idempotency_key=text)
        await app.stop()
    assert shown(provider) == ["one", "one", "two"]


async def test_record_without_a_value_deletes_the_conversation(
    carteiro: Carteiro, chatter: RawKafkaClient, provider: Provider, guest: str
):
    await carteiro.chat([{"role": "user", "content": "one"}], conversation_id=guest)
    # The worker notices it a moment later. Each turn until then writes the conversation again, and it is deleted again.
    async with asyncio.timeout(60):
        while shown(provider) != ["two"]:
            await chatter.send(CONVERSATIONS, None, key=guest.encode())
            await carteiro.chat([{"role": "user", "content": "two"}], conversation_id=guest)


async def test_topics_with_different_partition_counts_are_reported(
    broker: EmbeddedBroker, provider: Provider, monkeypatch, guest: str
):
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.address)
    await admin.start()
    await admin.create_topics([NewTopic("uneven.chat.requests", 2, 1), NewTopic("uneven.chat.conversations", 3, 1)])
    app = await start("uneven", broker, provider, monkeypatch)
    async with RawKafkaClient(broker.address, "uneven.chat.replies") as peer:
        request = "uneven.chat.requests", says(guest, "one"), None, guest.encode()
        reply, _ = await peer.ask(*request)
        assert reply["error"]["code"] == "unsupported"
        assert "has 3 partitions" in reply["error"]["message"]
        stateless, _ = await peer.ask("uneven.chat.requests", {"messages": [{"role": "user", "content": "hi"}]})
        assert stateless["status"] == "ok"
        monkeypatch.setattr(store, "_TRY_AGAIN_SECONDS", 0.0)
        monkeypatch.setattr(compacted_topic, "_CHECK_TTL_SECONDS", 0.0)
        await admin.delete_topics(["uneven.chat.conversations"])
        reply, _ = await peer.ask(*request)
        assert reply["status"] == "ok", "the topic is created again without a restart"
    await app.stop()
    await admin.close()
