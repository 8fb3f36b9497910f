"""FastStream serves records through a subscriber that reads batches for lanes."""

import asyncio
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from aiokafka.errors import ConsumerStoppedError, NoOffsetForPartitionError, OffsetOutOfRangeError
from faststream import BaseMiddleware
from faststream.kafka import KafkaBroker
from structlog.testing import capture_logs

from carteiro.wire.record import Record
from carteiro.worker.delivery.outcome import NoReplyOutcome, Outcome
from carteiro.worker.delivery.subscriber import LaneSubscriber, subscribe
from tests.unit.wire.record_batches.batch_builder import PARTITION, encode_batch, parse_all
from tests.unit.worker.delivery.fake_lane import FakeOutcome


class Task:
    """A task that records what it gets."""

    def __init__(self) -> None:
        self.handled: list[Record] = []
        self.unhandled: list[Record] = []
        self.error: Exception | None = None

    async def handle(self, record: Record) -> Outcome:
        self.handled.append(record)
        if self.error is not None:
            raise self.error
        return FakeOutcome(record.value or b"")

    async def on_unhandled(self, record: Record) -> Outcome:
        self.unhandled.append(record)
        return NoReplyOutcome()


@pytest.fixture
def task() -> Task:
    return Task()


class CountingMiddleware(BaseMiddleware):
    """FastStream's middleware of somebody else, who counts records."""

    counted = 0

    async def consume_scope(self, call_next: Any, msg: Any) -> Any:
        CountingMiddleware.counted += 1
        return await call_next(msg)


@pytest.fixture(params=[(), (CountingMiddleware,)], ids=["no middleware", "a middleware"])
async def subscriber(task: Task, request: pytest.FixtureRequest) -> LaneSubscriber:
    broker = KafkaBroker("127.0.0.1:9", logger=None, middlewares=request.param)
    subscriber = subscribe(broker, PARTITION.topic, "g", task.handle, task.on_unhandled, {})
    # What the start of the broker and of the subscriber does, without a connection.
    broker._setup_logger()
    subscriber._build_fastdepends_model()
    subscriber.running = True
    return subscriber


def request_record(headers: list[tuple[str, bytes]]) -> Any:
    (record,) = parse_all(encode_batch([(b"key", b"not json", headers)]))
    return record


@pytest.mark.parametrize("headers", [[], [("text", b"ok"), ("bytes", b"\xff\xfe")]], ids=["none", "not UTF-8"])
async def test_handler_gets_the_complete_record(
    subscriber: LaneSubscriber, task: Task, headers: list[tuple[str, bytes]]
) -> None:
    record = request_record(headers)
    before = CountingMiddleware.counted
    outcome = await subscriber.dispatch(record)
    assert CountingMiddleware.counted - before == len(subscriber._broker_middlewares)
    assert [each.value for each in outcome.records] == [b"not json"]
    assert task.handled == [record]
    assert list(task.handled[0].headers) == headers


async def test_record_that_faststream_cannot_serve_still_gets_an_outcome(
    subscriber: LaneSubscriber, task: Task
) -> None:
    task.error = ValueError("secret of a caller")
    record = request_record([])
    with capture_logs() as logs:
        outcome = await subscriber.dispatch(record)
    assert isinstance(outcome, NoReplyOutcome)
    assert task.unhandled == [record]
    assert [(each["log_level"], each["offset"]) for each in logs] == [("critical", 0)]
    assert "secret" not in str(logs)


async def test_reading_goes_on_after_every_error_until_the_consumer_stops(
    subscriber: LaneSubscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Any] = [
        {PARTITION: ["batch"]},
        NoOffsetForPartitionError(PARTITION),
        OffsetOutOfRangeError({PARTITION: 3}),
        {PARTITION: ["next"]},
        ConsumerStoppedError(),
    ]

    async def getmany(**_: int) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    subscriber.lanes = lanes = Mock()
    await subscriber._run_consume_loop(SimpleNamespace(getmany=getmany))  # type: ignore[arg-type]
    assert [call.args[0] for call in lanes.on_record_batches.call_args_list] == [
        {PARTITION: ["batch"]},
        {PARTITION: ["next"]},
    ]
    lanes.on_offsets_out_of_range.assert_called_once_with({PARTITION: 3})


async def test_unknown_error_resets_the_positions_before_the_next_read(subscriber: LaneSubscriber) -> None:
    subscriber.lanes = lanes = Mock()

    async def getmany(**_: int) -> Any:
        raise RuntimeError("a fetch failed")

    with capture_logs() as logs:
        reading = asyncio.create_task(
            subscriber._run_consume_loop(SimpleNamespace(getmany=getmany))  # type: ignore[arg-type]
        )
        await asyncio.sleep(0.01)
        reading.cancel()
    lanes.reset_positions.assert_called_once_with()
    assert [each["log_level"] for each in logs] == ["error"]


async def test_consumer_reads_committed_batches_and_never_chooses_an_offset_itself(
    subscriber: LaneSubscriber,
) -> None:
    options = subscriber._connection_args
    assert (options["isolation_level"], options["auto_offset_reset"]) == ("read_committed", "none")
