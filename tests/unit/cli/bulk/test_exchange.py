"""The exchange of a job with a service that a test plays."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, UnknownTopicOrPartitionError

from carteiro.cli.bulk import exchange as module
from carteiro.cli.bulk import reply_reader
from carteiro.cli.bulk.exchange import JobLimits, NoReplies, exchange
from carteiro.cli.kafka import KafkaFailed
from carteiro.wire.record import OutgoingRecord
from carteiro.wire.topics import Topics
from tests.unit.wire.fake_record import FakeRecord

OK = {"status": "ok", "usage": {"input_tokens": 3, "output_tokens": 2}}
LIMITS = JobLimits(max_in_flight=1, stall_seconds=60, timeout=None)
REPLIES = TopicPartition("llm.summarize.replies", 0)


class Service:
    """Producer, consumer and service in one. It answers every request, unless `answers` is False."""

    def __init__(self) -> None:
        self.topics = {"llm.summarize.requests", "llm.summarize.replies"}
        self.requests, self.replies = list[OutgoingRecord](), list[FakeRecord]()
        self.answers, self.failure = True, None  # type: ignore[var-annotated]
        self.confirmations = list[asyncio.Future[None]]()
        self.confirms, self.closed = True, False

    async def partitions_for(self, topic: str) -> set[int]:
        if topic not in self.topics:
            raise UnknownTopicOrPartitionError(topic)
        return {0}

    async def dispatch(self, record: OutgoingRecord) -> asyncio.Future[None]:
        if self.failure:
            raise self.failure
        self.requests.append(record)
        if self.answers:
            self.replies.append(FakeRecord(json.dumps(OK).encode(), tuple(record.headers), topic=REPLIES.topic))
        self.confirmations.append(asyncio.get_running_loop().create_future())
        if self.confirms:
            self.confirmations[-1].set_result(None)
        return self.confirmations[-1]

    def assign(self, partitions: object) -> None: ...
    def seek(self, partition: object, offset: int) -> None: ...
    async def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        assert partitions == [REPLIES]
        return {REPLIES: 0}

    end_offsets = beginning_offsets

    async def position(self, _: object) -> int:
        return 0


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    service = Service()

    @asynccontextmanager
    async def clients(_: object) -> AsyncIterator[tuple[Service, Service]]:
        try:
            yield service, service
        finally:
            # A producer that is stopped waits for what it has sent.
            for each in service.confirmations:
                if not each.done():
                    each.set_result(None)
            await asyncio.sleep(0)
            service.closed = True

    async def poll_records(service: Service, _: int) -> dict[TopicPartition, list[FakeRecord]]:
        found, service.replies = service.replies, []
        return {REPLIES: found}

    monkeypatch.setattr(module, "_clients", clients)
    monkeypatch.setattr(reply_reader, "poll_records", poll_records)
    return service


async def run(job: Any, limits: JobLimits = LIMITS, show_progress: Any = lambda: None) -> None:
    kafka: Any = SimpleNamespace(topics=Topics())
    await exchange(kafka, job, limits, show_progress)


async def test_every_line_is_answered_and_progress_shown(service: Service, open_lines: Any) -> None:
    shown = list[int]()
    with open_lines('"One."', '"Two."', '"Three."') as job:
        await run(job, show_progress=lambda: shown.append(job.states.answered))
        assert (job.states.sent, job.states.answered, job.summary.ok) == (3, 3, 3)
    assert [record.topic for record in service.requests] == ["llm.summarize.requests"] * 3
    assert (shown[-1], service.closed) == (3, True)


async def test_silent_service_ends_the_command_and_the_sent_lines_are_recorded(
    service: Service, open_lines: Any
) -> None:
    service.answers = False
    with open_lines('"One."', '"Two."') as job, pytest.raises(NoReplies, match="no reply in 0 s"):
        await run(job, JobLimits(max_in_flight=None, stall_seconds=0, timeout=None))
    with open_lines('"One."', '"Two."') as again:
        assert again.states.sent == len(service.requests)


async def test_confirmation_that_comes_while_the_producer_stops_is_recorded(service: Service, open_lines: Any) -> None:
    service.answers = service.confirms = False
    with open_lines('"One."') as job:
        task = asyncio.create_task(run(job))
        while not service.requests:
            await asyncio.sleep(0)
        assert job.states.sent == 0
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert job.states.sent == 1


async def test_failure_of_the_sender_ends_the_command(service: Service, open_lines: Any) -> None:
    service.failure = KafkaConnectionError()  # type: ignore[assignment]
    with open_lines('"One."') as job, pytest.raises(KafkaFailed, match="cannot send to llm.summarize.requests"):
        await run(job)
    assert service.closed


@pytest.mark.parametrize("topic", ["llm.summarize.requests", "llm.summarize.replies"])
async def test_missing_topic_is_named_and_nothing_is_begun(service: Service, open_lines: Any, topic: str) -> None:
    service.topics.remove(topic)
    with open_lines('"One."') as job:
        with pytest.raises(KafkaFailed, match=f"there is no topic {topic}: has a worker ever run here"):
            await run(job)
        assert job.header is None
