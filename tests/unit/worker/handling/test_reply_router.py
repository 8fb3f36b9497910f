"""The addresses of replies, by the metadata of a fake producer."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError
from aiokafka.partitioner import DefaultPartitioner

from carteiro.wire.envelope import Envelope
from carteiro.worker.handling import reply_router as module
from carteiro.worker.handling.reply_router import ReplyAddress, ReplyRouter, fallback_address

REPLIES = "llm.chat.replies"


class FakeMetadata:
    """Cluster, client and producer in one. `known` is in its cache; `existing` is found by a lookup."""

    def __init__(self, known: dict[str, set[int]] | None = None, existing: dict[str, set[int]] | None = None) -> None:
        self.known, self.existing = known or {}, existing or {}
        self.used, self.lookups, self.created = list[str](), list[str](), list[str]()
        self.failures: list[Exception] = []
        self.client = self.cluster = self

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return self.known.get(topic)

    def mark_used(self, topic: str) -> None:
        self.used.append(topic)

    async def find(self, topics: Iterable[str]) -> "FakeMetadata":
        self.lookups += topics
        if self.failures:
            raise self.failures.pop(0)
        return FakeMetadata(self.existing)

    async def partitions_for(self, topic: str) -> set[int]:
        self.created.append(topic)
        return self.existing[topic]


def make_router(metadata: FakeMetadata) -> ReplyRouter:
    router = ReplyRouter({})
    router.producer = metadata
    return router


async def resolve(router: ReplyRouter, topic: str | None, partition: int | None = None) -> ReplyAddress:
    envelope = Envelope(
        "t/0/1", "c", (), key=None, body=b"", sent_at=datetime.now(UTC), reply_topic=topic, reply_partition=partition
    )
    return await router.resolve(envelope, REPLIES)


@pytest.fixture
def broker_answers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Reasons that the next probes of the connection return; then the broker answers."""
    reasons = list[str]()

    async def probe_connection(_: Any) -> str | None:
        return reasons.pop(0) if reasons else None

    monkeypatch.setattr(module, "probe_connection", probe_connection)
    return reasons


@pytest.mark.parametrize("topic", [None, REPLIES])
async def test_default_topic_needs_no_lookup(topic: str | None) -> None:
    metadata = FakeMetadata()
    assert await resolve(make_router(metadata), topic) == ReplyAddress(REPLIES)
    assert not metadata.lookups


async def test_known_topic_is_kept_in_use_and_needs_no_lookup() -> None:
    metadata = FakeMetadata({"inbox": {0, 1}})
    assert await resolve(make_router(metadata), "inbox", 1) == ReplyAddress("inbox", 1)
    assert (metadata.used, metadata.lookups) == (["inbox"], [])


async def test_unknown_topic_is_found_by_a_lookup_that_creates_nothing() -> None:
    metadata = FakeMetadata(existing={"inbox": {0}})
    assert await resolve(make_router(metadata), "inbox") == ReplyAddress("inbox")
    assert (metadata.lookups, metadata.created) == (["inbox"], [])


async def test_own_topic_may_be_created_by_its_lookup() -> None:
    metadata = FakeMetadata(existing={REPLIES: {0, 1}})
    assert await resolve(make_router(metadata), REPLIES, 1) == ReplyAddress(REPLIES, 1)
    assert metadata.created == [REPLIES]


async def test_missing_partition_is_a_problem_of_the_request() -> None:
    address = await resolve(make_router(FakeMetadata({"inbox": {0}})), "inbox", 7)
    assert address == fallback_address(REPLIES, "'inbox' has no partition 7")
    assert address.problem is not None
    assert (address.topic, address.partition, address.problem.field) == (REPLIES, None, "reply topic")


@pytest.mark.parametrize("failure", [None, TopicAuthorizationFailedError(), TimeoutError()])
async def test_topic_that_cannot_be_used_is_looked_up_once(
    broker_answers: list[str], failure: Exception | None
) -> None:
    metadata = FakeMetadata()
    metadata.failures = [failure] if failure else []
    router = make_router(metadata)
    for _ in range(2):
        address = await resolve(router, "gone")
        assert address == fallback_address(REPLIES, "there is no topic 'gone' that this service can write to")
    assert metadata.lookups == ["gone"]


async def test_missing_topic_is_looked_up_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MISSING_TTL_SECONDS", 0.0)
    metadata = FakeMetadata()
    router = make_router(metadata)
    await resolve(router, "late")
    metadata.existing["late"] = {0}
    assert await resolve(router, "late") == ReplyAddress("late")


async def test_lookup_goes_on_while_no_broker_answers(broker_answers: list[str]) -> None:
    broker_answers.append("no broker")
    metadata = FakeMetadata(existing={"inbox": {0}})
    metadata.failures = [TimeoutError()]
    assert await resolve(make_router(metadata), "inbox") == ReplyAddress("inbox")
    assert metadata.lookups == ["inbox", "inbox"]


async def test_fixed_partition_is_that_of_a_kafka_client_for_the_key() -> None:
    router = make_router(FakeMetadata(existing={"inbox": {8, 1}}))
    for key in (b"a", b"b", b"c"):
        address = await router.with_partition(ReplyAddress("inbox"), key)
        assert address.partition == DefaultPartitioner()(key, [1, 8], [1, 8])


async def test_partition_that_the_request_names_stays() -> None:
    address = ReplyAddress("inbox", 2)
    assert await make_router(FakeMetadata()).with_partition(address, b"k") is address


async def test_cancellation_ends_a_lookup_that_is_tried_again() -> None:
    metadata = FakeMetadata()
    metadata.failures = [KafkaConnectionError()]
    task = asyncio.create_task(resolve(make_router(metadata), "inbox"))
    while not metadata.lookups:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
