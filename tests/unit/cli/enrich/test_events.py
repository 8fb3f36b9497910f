from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata, OffsetAndTimestamp

from carteiro.cli.enrich import events as module
from carteiro.cli.enrich.events import commit_start, count_backlog, parse_time, read_events, start_offsets
from carteiro.kafka import replay
from tests.unit.wire.fake_record import FakeRecord

FIRST, SECOND = PARTITIONS = [TopicPartition("reviews", 0), TopicPartition("reviews", 1)]


class FakeConsumer:
    """Consumer of two partitions: the first has events at the times 100 to 109, the second is empty.

    Without `has_time_index` each time leads to the first event.
    """

    has_time_index = True

    def __init__(self, **options: Any) -> None:
        self.options, self.stopped, self.end_requests = options, False, 0
        self.committed: Mapping[TopicPartition, int] | None = None
        self.positions: dict[TopicPartition, int] = {}

    async def start(self) -> None: ...
    async def stop(self) -> None:
        self.stopped = True

    async def __aenter__(self) -> "FakeConsumer":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        self.positions = dict.fromkeys(partitions, 0)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.positions[partition] = offset

    def assignment(self) -> set[TopicPartition]:
        return set(self.positions)

    def pause(self, *partitions: TopicPartition) -> None: ...
    def resume(self, *partitions: TopicPartition) -> None: ...

    async def position(self, partition: TopicPartition) -> int:
        return self.positions[partition]

    async def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 0)

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        self.end_requests += 1
        return {each: 10 if each == FIRST else 0 for each in partitions}

    async def offsets_for_times(
        self, times: dict[TopicPartition, int]
    ) -> dict[TopicPartition, OffsetAndTimestamp | None]:
        if min(times.values()) < 0:
            raise ValueError("the target time cannot be negative")
        found = {each: max(time - 100, 0) if self.has_time_index else 0 for each, time in times.items()}
        return {
            each: OffsetAndTimestamp(offset, 100 + offset) if each == FIRST and offset < 10 else None
            for each, offset in found.items()
        }

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        self.committed = offsets

    def poll(self, count: int = 3) -> dict[TopicPartition, list[FakeRecord]]:
        start = self.positions[FIRST]
        self.positions[FIRST] = min(start + count, 10)
        return {
            FIRST: [
                FakeRecord(topic="reviews", partition=0, offset=each, timestamp=100 + each)
                for each in range(start, self.positions[FIRST])
            ]
        }


class Kafka:
    """Session with the two partitions. `offset` is the group's committed offset in the first."""

    options: dict[str, Any] = {}  # noqa: RUF012
    admin = None
    offset = -1

    async def partitions(self, topic: str) -> list[int]:
        assert topic == "reviews"
        return [0, 1]


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Any:
    session, consumers = Kafka(), list[FakeConsumer]()

    def create(**options: Any) -> FakeConsumer:
        consumers.append(FakeConsumer(**options))
        return consumers[-1]

    async def poll_records(consumer: FakeConsumer, _: int) -> dict[TopicPartition, list[FakeRecord]]:
        return consumer.poll()

    async def committed_offsets(_: Any, group: str, partitions: list[TopicPartition]) -> dict[TopicPartition, Any]:
        assert group == "g"
        return {each: OffsetAndMetadata(session.offset if each == FIRST else -1, "") for each in partitions}

    monkeypatch.setattr(module, "AIOKafkaConsumer", create)
    monkeypatch.setattr(replay, "poll_records", poll_records)
    monkeypatch.setattr(module, "committed_offsets", committed_offsets)
    return SimpleNamespace(session=session, consumers=consumers)


def at(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T08:00Z", datetime(2026, 11, 1, 8, tzinfo=UTC)),
        ("2026-11-01T08:00+02:00", datetime(2026, 11, 1, 6, tzinfo=UTC)),
    ],
)
def test_time_is_utc_unless_it_has_an_offset(text: str, expected: datetime) -> None:
    assert parse_time(text) == expected


def test_text_that_is_no_time_is_refused() -> None:
    with pytest.raises(ValueError, match="yesterday"):
        parse_time("yesterday")


@pytest.mark.parametrize(("since", "first"), [(at(104), 4), (at(200), 10), (parse_time("1960-01-01"), 0)])
async def test_start_is_the_first_event_at_or_after_a_time_else_the_end(since: datetime, first: int) -> None:
    ends = {FIRST: 10, SECOND: 0}
    assert await start_offsets(FakeConsumer(), ends, since) == {FIRST: first, SECOND: 0}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("count", "since", "offsets"),
    [(2, None, [8, 9]), (99, None, list(range(10))), (2, at(104), [4, 5]), (99, at(108), [8, 9]), (1, at(200), [])],
)
async def test_latest_events_are_read_or_the_first_ones_since_a_time(
    kafka: Any, count: int, since: datetime | None, offsets: list[int]
) -> None:
    assert [event.offset for event in await read_events(kafka.session, "reviews", count, since)] == offsets
    (consumer,) = kafka.consumers
    assert consumer.stopped
    assert consumer.end_requests == 1
    assert (consumer.options["isolation_level"], consumer.options["enable_auto_commit"]) == ("read_committed", False)


async def test_events_before_the_time_are_left_out_if_the_broker_has_no_index_of_times(
    kafka: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeConsumer, "has_time_index", False)
    assert [event.offset for event in await read_events(kafka.session, "reviews", 2, at(104))] == [4, 5]


@pytest.mark.parametrize(
    ("committed", "since", "backlog"), [(-1, None, 10), (-1, at(107), 3), (4, None, 6), (4, at(107), 6), (10, None, 0)]
)
async def test_backlog_begins_at_the_committed_offset_else_at_the_start(
    kafka: Any, committed: int, since: datetime | None, backlog: int
) -> None:
    kafka.session.offset = committed
    assert await count_backlog(kafka.session, "reviews", "g", since) == backlog


async def test_group_without_offsets_starts_at_the_time(kafka: Any) -> None:
    assert await commit_start(kafka.session, "reviews", "g", at(103))
    (consumer,) = kafka.consumers
    assert (consumer.committed, consumer.options["group_id"], consumer.stopped) == ({FIRST: 3, SECOND: 0}, "g", True)


async def test_group_that_has_started_keeps_its_offsets(kafka: Any) -> None:
    kafka.session.offset = 0
    assert not await commit_start(kafka.session, "reviews", "g", at(103))
    assert not kafka.consumers
