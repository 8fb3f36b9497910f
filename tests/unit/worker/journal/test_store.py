"""The topic of a journal: created by the first write, read by the next owner, and never in the way if it is away."""

import asyncio
from typing import Any, ClassVar

import pytest
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError
from structlog.testing import capture_logs

from carteiro.kafka.compacted_topic import TopicUnusable
from carteiro.models.errors import Unavailable
from carteiro.models.results import Completion
from carteiro.wire.record import OutgoingRecord
from carteiro.worker.journal import store as module
from carteiro.worker.journal.request_journal import RequestJournal
from carteiro.worker.journal.store import JournalStore
from carteiro.worker.observability.metrics import REGISTRY
from tests.unit.wire.fake_record import FakeRecord
from tests.unit.worker.journal.fake_writer import TOPIC, completion, prompt

RECORD = FakeRecord(b"{}", (), b"key", "llm.summarize.requests", 2, 17)


class FakeTopic:
    """A topic with three partitions once it exists, and a producer that writes to it."""

    name: ClassVar = TOPIC

    def __init__(self) -> None:
        self.partitions: int | None = 0
        self.values: dict[bytes, bytes] = {}
        self.error: Exception | None = None
        self.reads = self.checks = self.left_out = 0
        self.is_missing = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def find_partitions(self) -> int | None:
        return self.partitions

    async def read_existing(self, partition: int, max_bytes: int) -> tuple[dict[bytes, bytes], int]:
        self.reads += 1
        await self._step()
        return dict(self.values), self.left_out

    async def ensure(self) -> None:
        self.checks += 1
        await self._step()
        self.partitions = 3

    def set_missing(self, topic: str, *, missing: bool) -> None:
        assert topic == TOPIC
        self.is_missing = missing

    async def dispatch(self, record: OutgoingRecord) -> asyncio.Future[None]:
        await self._step()
        assert record.key is not None
        assert record.value is not None
        assert (record.topic, record.partition) == (TOPIC, 2)
        self.values[record.key] = record.value
        sent: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        sent.set_result(None)
        return sent

    async def _step(self) -> None:
        await self.gate.wait()
        if self.error is not None:
            raise self.error


class Owner:
    """A worker that has the partition, and its clock."""

    def __init__(self, topic: FakeTopic) -> None:
        self.topic, self.time, self.calls = topic, 1000.0, 0
        fake: Any = topic
        self.store = JournalStore("summarize", fake, lambda: fake, topic.find_partitions, 0, now=lambda: self.time)

    async def serve(self, *texts: str) -> RequestJournal:
        journal = self.store.open(RECORD)
        for text in texts:
            await journal.complete("m", prompt(text), self._call, lambda _: None)
        await self.store.close()
        return journal

    async def _call(self) -> Completion:
        self.calls += 1
        return completion("re")


@pytest.fixture
async def topic() -> FakeTopic:
    return FakeTopic()


@pytest.fixture
async def owner(topic: FakeTopic) -> Owner:
    owner = Owner(topic)
    await owner.store.load(2)
    return owner


def is_away() -> float | None:
    return REGISTRY.get_sample_value("carteiro_journal_away", {"topic": TOPIC})


def counted(outcome: str) -> float:
    labels = {"task": "summarize", "outcome": outcome}
    return REGISTRY.get_sample_value("carteiro_journal_calls_total", labels) or 0.0


async def test_topic_is_created_by_the_first_call_that_is_kept(owner: Owner, topic: FakeTopic) -> None:
    await owner.serve("a")
    assert (topic.checks, topic.reads) == (0, 0)
    await owner.serve("a", "b", "c")
    assert (topic.checks, len(topic.values)) == (1, 2)


async def test_next_owner_finds_the_calls(owner: Owner, topic: FakeTopic) -> None:
    await owner.serve("a", "b", "c")
    later, kept, reused = Owner(topic), counted("kept"), counted("reused")
    with capture_logs() as logs:
        await later.store.load(2)
    assert [line["calls"] for line in logs] == [2]
    await later.serve("a", "b", "c")
    assert later.calls == 1
    assert (counted("kept") - kept, counted("reused") - reused) == (0, 2)
    later.store.unload(2)
    await later.serve("a")
    assert later.calls == 2


@pytest.mark.parametrize(("partitions", "reads"), [(0, 0), (2, 0), (3, 1), (None, 1)])
async def test_only_a_partition_that_may_exist_is_read(topic: FakeTopic, partitions: int | None, reads: int) -> None:
    topic.partitions = partitions
    await Owner(topic).store.load(2)
    assert topic.reads == reads


FAILURES = [
    TopicUnusable("create it"),
    TopicAuthorizationFailedError(),
    KafkaConnectionError(),
    AssertionError(),
    TimeoutError(),
]


@pytest.mark.parametrize("error", FAILURES, ids=lambda each: type(each).__name__)
async def test_requests_are_served_while_the_topic_is_away_and_kept_again_later(
    owner: Owner, topic: FakeTopic, error: Exception
) -> None:
    topic.error = error
    lost = counted("lost")
    with capture_logs() as logs:
        journal = await owner.serve("a", "b", "c", "d")
        assert journal.tombstones == ()
        assert (is_away(), topic.values, topic.is_missing) == (1, {}, True)
        owner.time += 59
        await owner.serve("e", "f")
        assert topic.checks == 3
        owner.time, topic.error = owner.time + 2, None
        await owner.serve("g", "h")
    assert (is_away(), len(topic.values), topic.checks, topic.is_missing) == (0, 1, 4, False)
    assert counted("lost") - lost == 4
    assert [line["log_level"] for line in logs] == ["error", "info"]


async def test_partition_is_served_without_its_journal_if_it_cannot_be_read(topic: FakeTopic) -> None:
    topic.partitions = 3
    topic.error = KafkaConnectionError()
    owner = Owner(topic)
    with capture_logs() as logs:
        await owner.store.load(2)
    assert [line["log_level"] for line in logs] == ["error"]
    await owner.serve("a", "b")
    assert (owner.calls, is_away()) == (2, 1)


async def test_calls_that_do_not_fit_in_memory_are_counted_and_logged(topic: FakeTopic) -> None:
    topic.partitions, topic.left_out = 3, 5
    forgotten = counted("forgotten")
    with capture_logs() as logs:
        await Owner(topic).store.load(2)
    assert counted("forgotten") - forgotten == 5
    assert [(line["log_level"], line["partition"], line["calls"]) for line in logs] == [("warning", 2, 5)]


async def test_slow_read_is_given_up(topic: FakeTopic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOAD_SECONDS", 0.01)
    topic.partitions = 3
    topic.gate.clear()
    await Owner(topic).store.load(2)
    assert is_away() == 1


async def test_slow_broker_has_a_bounded_number_of_bytes_to_write(
    owner: Owner, topic: FakeTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAX_PENDING_BYTES", 1000)
    topic.gate.clear()
    journal = owner.store.open(RECORD)
    for number in range(20):
        await journal.complete("m", prompt(str(number)), owner._call, lambda _: None)
    topic.gate.set()
    await owner.store.close()
    assert 0 < len(topic.values) < 10
    assert owner.store._pending_bytes == 0


async def test_partitions_share_the_memory(owner: Owner) -> None:
    alone = owner.store.max_partition_bytes
    for partition in range(4):
        await owner.store.load(partition)
    assert owner.store.max_partition_bytes == alone // 4


async def test_answer_of_a_known_model_is_cancelled_and_errors_are_ignored(topic: FakeTopic) -> None:
    cancelled: list[str] = []

    class Model:
        async def cancel_answer(self, identity: str) -> None:
            cancelled.append(identity)
            raise Unavailable("down")

    fake: Any = topic
    models: Any = {"m": Model()}
    store = JournalStore("summarize", fake, lambda: fake, topic.find_partitions, 0, models)
    store.cancel_answer("m", "resp_1")
    store.cancel_answer("gone", "resp_2")
    await store.close()
    assert cancelled == ["resp_1"]
