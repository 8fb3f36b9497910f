"""The reader of a job's replies, on a consumer that a test fills."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import RequestTimedOutError, TopicAuthorizationFailedError

from carteiro.cli.bulk import reply_reader as module
from carteiro.cli.bulk.reply_reader import ReplyReader
from carteiro.cli.kafka import KafkaFailed
from carteiro.kafka.replay import ReplayStalled
from tests.unit.wire.fake_record import FakeRecord

FIRST, SECOND = PARTITIONS = [TopicPartition("replies", 0), TopicPartition("replies", 1)]
OK = {"status": "ok", "usage": {"input_tokens": 3, "output_tokens": 2}}


class FakeConsumer:
    """Consumer of two partitions with offsets 10 to 20, and 0 to 5. `batches` are the results of the next polls."""

    begins, ends = {FIRST: 10, SECOND: 0}, {FIRST: 20, SECOND: 5}

    def __init__(self) -> None:
        self.batches: list[list[FakeRecord] | Exception] = []
        self.starts: dict[TopicPartition, int] = {}
        self.positions: dict[TopicPartition, int] = {}

    def assign(self, partitions: Iterable[TopicPartition]) -> None: ...
    async def beginning_offsets(self, _: object) -> dict[TopicPartition, int]:
        return self.begins

    async def end_offsets(self, _: object) -> dict[TopicPartition, int]:
        return self.ends

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.starts[partition] = self.positions[partition] = offset

    async def position(self, partition: TopicPartition) -> int:
        return self.positions[partition]

    def poll(self) -> dict[TopicPartition, list[FakeRecord]]:
        batch = self.batches.pop(0) if self.batches else []
        if isinstance(batch, Exception):
            raise batch
        self.positions = dict(self.ends)
        return {FIRST: batch}


@pytest.fixture
def consumer(monkeypatch: pytest.MonkeyPatch) -> FakeConsumer:
    async def poll_records(consumer: FakeConsumer, _: int) -> dict[TopicPartition, list[FakeRecord]]:
        return consumer.poll()

    monkeypatch.setattr(module, "poll_records", poll_records)
    monkeypatch.setattr(module, "_TRY_AGAIN_SECONDS", 0.0)
    return FakeConsumer()


def make_reader(job: Any, consumer: Any) -> ReplyReader:
    return ReplyReader(job, consumer, PARTITIONS)


def reply(job: Any, line: int, value: bytes = json.dumps(OK).encode(), *headers: tuple[str, bytes]) -> FakeRecord:
    return FakeRecord(value, (("correlation_id", job.correlation_id(line)), *headers), topic="replies")


def written(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "replies").read_text().splitlines()]


async def test_new_job_begins_at_the_ends(consumer: FakeConsumer, open_lines: Any) -> None:
    with open_lines('"One."') as job:
        await make_reader(job, consumer).start()
        assert (job.header.offsets, consumer.starts) == ({0: 20, 1: 5}, {FIRST: 20, SECOND: 5})


async def test_resumed_job_reads_the_replies_since_its_beginning(
    consumer: FakeConsumer, open_lines: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_lines('"One."', '"Two."') as job:
        job.start({0: 12})
        consumer.batches = [[reply(job, 2)]]
        await make_reader(job, consumer).start()
        # A partition that was added later is read from its first record.
        assert consumer.starts == {FIRST: 12, SECOND: 0}
        assert (job.states.is_answered(1), job.states.is_answered(2)) == (False, True)
    assert not capsys.readouterr().err


@pytest.mark.parametrize("in_flight", [True, False])
async def test_replies_that_are_gone_are_a_warning_if_requests_wait_for_them(
    consumer: FakeConsumer, open_lines: Any, capsys: pytest.CaptureFixture[str], in_flight: bool
) -> None:
    with open_lines('"One."') as job:
        job.start({0: 3, 1: 0})
        job.mark_sent([1] if in_flight else [])
        await make_reader(job, consumer).start()
    assert consumer.starts[FIRST] == 10
    assert ("replies may be missing" in capsys.readouterr().err) is in_flight


async def test_broker_that_returns_no_replies_ends_the_command(
    consumer: FakeConsumer, open_lines: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def remaining(_: object) -> set[TopicPartition]:
        raise ReplayStalled({FIRST})

    monkeypatch.setattr(module.ReplayProgress, "remaining", remaining)
    with open_lines('"One."') as job, pytest.raises(KafkaFailed, match="does not return the records of replies"):
        await make_reader(job, consumer).start()


async def test_only_whole_replies_to_this_job_are_written(
    consumer: FakeConsumer, open_lines: Any, tmp_path: Path
) -> None:
    with open_lines('"One."', '"Two."') as job:
        job.start({})
        other = FakeRecord(b"{}", (("correlation_id", b"other-1"),))
        consumer.batches = [
            [other, FakeRecord(b"{}"), reply(job, 1, b"{}", ("final", b"false")), reply(job, 1), reply(job, 1, b"{}")]
        ]
        await make_reader(job, consumer).read()
    assert written(tmp_path) == [{"line": 1, "reply": OK}]


@pytest.mark.parametrize("value", [b"", b"[1]", b"\xff", b"[" * 100_000])
async def test_reply_that_is_no_object_is_an_error_of_its_line(
    consumer: FakeConsumer, open_lines: Any, tmp_path: Path, value: bytes
) -> None:
    with open_lines('"One."') as job:
        job.start({})
        consumer.batches = [[reply(job, 1, value)]]
        await make_reader(job, consumer).read()
    ((line),) = written(tmp_path)
    assert (line["reply"]["error"]["code"], line["reply"]["error"]["retryable"]) == ("internal", True)


@pytest.mark.parametrize("failure", [RequestTimedOutError(), ValueError("a record that nobody can read")])
async def test_failure_that_may_pass_is_warned_of_once(
    consumer: FakeConsumer, open_lines: Any, capsys: pytest.CaptureFixture[str], failure: Exception
) -> None:
    with open_lines('"One."') as job:
        job.start({})
        consumer.batches = [failure, failure, [reply(job, 1)]]
        reader = make_reader(job, consumer)
        for _ in range(3):
            await reader.read()
        assert job.states.all_answered
    assert capsys.readouterr().err.count("cannot read replies, trying again") == 1


async def test_failure_that_stays_ends_the_command(consumer: FakeConsumer, open_lines: Any) -> None:
    consumer.batches = [TopicAuthorizationFailedError()]
    with open_lines('"One."') as job, pytest.raises(KafkaFailed, match="cannot read replies: TopicAuthorization"):
        await make_reader(job, consumer).read()
