"""Requests start within the limits, suspects start isolated, and each request ends with one outcome."""

import asyncio

import pytest

from carteiro.ledger.crash_tracker import MAX_CRASHES, MAX_ISOLATED_CRASHES
from carteiro.wire.record_batches.record_parser import ParsedRecord, SkippedOffsets
from carteiro.worker.delivery import request_runner as module
from carteiro.worker.delivery.isolation import CrashIsolation
from carteiro.worker.delivery.outcome import NoReplyOutcome
from carteiro.worker.delivery.partition_state import PartitionState
from carteiro.worker.delivery.progress import Progress
from carteiro.worker.delivery.request_runner import IN_FLIGHT_FACTOR, RequestRunner
from carteiro.worker.delivery.unconfirmed_outcomes import UnconfirmedOutcomes
from tests.conftest import eventually
from tests.unit.wire.record_batches.batch_builder import PARTITION, encode_batch, parse_all
from tests.unit.worker.delivery.fake_kafka import FakeKafka
from tests.unit.worker.delivery.fake_lane import FakeHandler

LIMIT = 2


class RunnerUnderTest:
    """A runner that starts what it can each time a request has ended, as its lane lets it."""

    may_start = True

    starts_by_itself = True

    def __init__(self) -> None:
        self.state, self.unconfirmed = PartitionState(), UnconfirmedOutcomes()
        self.handler = FakeHandler(FakeKafka(), LIMIT)
        self.commits = 0
        isolation = CrashIsolation(self.state, self.handler.exclusive_gate, LIMIT, self.commit)
        self.runner = RequestRunner(self.handler, self.state, isolation, self.unconfirmed, Progress(), self)

    async def commit(self) -> None:
        self.commits += 1

    def start_ready(self) -> None:
        if self.starts_by_itself:
            self.runner.start_ready()

    def read(self, count: int) -> None:
        self.runner.scheduler.add(parse_all(encode_batch([(None, b"%d" % offset, []) for offset in range(count)])))
        self.start_ready()

    def confirm(self, offset: int) -> None:
        assert self.unconfirmed.confirm(offset)
        self.state.ledger.finish(offset)
        self.start_ready()
        self.runner.notify_if_idle()


@pytest.fixture
async def lane() -> RunnerUnderTest:
    return RunnerUnderTest()


async def test_twice_the_limit_may_be_in_flight_while_outcomes_are_delivered(lane: RunnerUnderTest) -> None:
    lane.read(10)
    await eventually(lambda: len(lane.unconfirmed) == IN_FLIGHT_FACTOR * LIMIT)
    assert lane.handler.started == [0, 1, 2, 3]
    lane.confirm(0)
    await eventually(lambda: lane.handler.started == [0, 1, 2, 3, 4])
    assert lane.runner.in_flight == 4
    assert sorted(lane.runner.offsets) == [1, 2, 3, 4]


async def test_more_than_max_unfinished_start_if_their_ledger_fits_into_a_commit(lane: RunnerUnderTest) -> None:
    lane.handler.max_unfinished = 1
    lane.read(10)
    await eventually(lambda: lane.handler.started == [0, 1, 2, 3])
    for offset in range(4):
        lane.confirm(offset)
    await eventually(lambda: lane.handler.started == [*range(8)])
    lane.handler.broker_limits.metadata_bytes = 0
    for offset in range(4, 8):
        lane.confirm(offset)
    await eventually(lambda: lane.handler.started == [*range(9)])
    await asyncio.sleep(0.01)
    assert lane.handler.started == [*range(9)]


async def test_few_requests_start_at_once(lane: RunnerUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_STARTS", 1)
    lane.read(3)
    assert lane.runner.in_flight == 1
    assert lane.runner.start_ready()
    assert lane.runner.in_flight == 2
    assert not lane.runner.start_ready()


async def test_request_that_ends_is_replaced_at_once(lane: RunnerUnderTest) -> None:
    lane.handler.gate.clear()
    lane.read(10)
    lane.starts_by_itself = False
    await eventually(lambda: lane.handler.started == [0, 1])
    lane.handler.gate.set()
    await eventually(lambda: len(lane.unconfirmed) == IN_FLIGHT_FACTOR * LIMIT)
    assert lane.handler.started == [0, 1, 2, 3]


async def test_few_requests_are_replaced_at_once(lane: RunnerUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_STARTS", 1)
    lane.starts_by_itself = False
    lane.read(4)
    lane.runner.start_ready()
    await eventually(lambda: lane.unconfirmed.offsets == [0, 1])
    await asyncio.sleep(0.01)
    assert lane.handler.started == [0, 1]
    assert lane.runner.start_ready(), "the replacement counts as its start"
    assert lane.runner.in_flight == 2
    assert lane.runner.start_ready()
    await eventually(lambda: lane.handler.started == [0, 1, 2, 3])


async def test_no_request_is_replaced_while_the_lane_starts_none(lane: RunnerUnderTest) -> None:
    lane.handler.gate.clear()
    lane.read(4)
    await eventually(lambda: lane.handler.started == [0, 1])
    lane.may_start = False
    lane.handler.gate.set()
    await eventually(lambda: lane.unconfirmed.offsets == [0, 1])
    await asyncio.sleep(0.01)
    assert lane.handler.started == [0, 1]


async def test_no_request_starts_while_the_handler_accepts_none(lane: RunnerUnderTest) -> None:
    lane.handler.accepting = False
    lane.read(1)
    await asyncio.sleep(0.01)
    assert lane.handler.started == []
    lane.handler.accepting = True
    lane.start_ready()
    await eventually(lambda: lane.handler.started == [0])


async def test_suspect_runs_alone_until_its_outcome_is_confirmed(lane: RunnerUnderTest) -> None:
    lane.state.crash_tracker.isolate_upto = 0
    lane.handler.gate.clear()
    lane.read(4)
    await eventually(lambda: lane.handler.started == [1, 2])
    lane.handler.gate.set()
    await eventually(lambda: lane.handler.started == [1, 2, 0])
    assert lane.commits == 1, "its start is committed first"
    await asyncio.sleep(0.01)
    assert lane.handler.started == [1, 2, 0]
    lane.confirm(0)
    await eventually(lambda: lane.handler.started == [1, 2, 0, 3])


async def test_poison_request_is_rejected_without_being_served(lane: RunnerUnderTest) -> None:
    lane.state.crash_tracker.isolate_upto = lane.state.crash_tracker.isolated = 0
    lane.state.crash_tracker.isolated_starts = MAX_ISOLATED_CRASHES
    lane.read(1)
    await eventually(lambda: lane.unconfirmed)
    ((outcome,),) = [list(each.values()) for each in await lane.unconfirmed.next_groups(1)]
    assert [record.value for record in outcome.records] == [b"poison 0 after %d" % MAX_CRASHES]
    assert lane.handler.started == []


async def test_records_that_cannot_be_read_finish_without_a_reply(lane: RunnerUnderTest) -> None:
    skipped: list[ParsedRecord] = [SkippedOffsets(PARTITION.topic, PARTITION.partition, 0, 4, "broken")]
    lane.runner.scheduler.add(skipped)
    lane.start_ready()
    (group,) = await lane.unconfirmed.next_groups(1)
    assert isinstance(group[4], NoReplyOutcome)


async def test_drain_ends_once_all_outcomes_are_confirmed(lane: RunnerUnderTest) -> None:
    lane.read(1)
    draining = asyncio.create_task(lane.runner.drain())
    await eventually(lambda: lane.unconfirmed)
    assert not draining.done()
    lane.confirm(0)
    await draining


async def test_request_that_another_owner_has_finished_is_cancelled(lane: RunnerUnderTest) -> None:
    lane.handler.gate.clear()
    lane.read(2)
    await eventually(lambda: lane.handler.started == [0, 1])
    lane.state.ledger.finish(0)
    lane.runner.cancel_finished()
    await eventually(lambda: lane.runner.offsets == [1])
    lane.handler.gate.set()
    await eventually(lambda: lane.unconfirmed.offsets == [1])


async def test_closed_runner_cancels_its_requests_and_drops_their_outcomes(lane: RunnerUnderTest) -> None:
    lane.read(1)
    await eventually(lambda: lane.unconfirmed)
    lane.handler.gate.clear()
    lane.runner.scheduler.clear()
    lane.runner.scheduler.add(parse_all(encode_batch([(None, b"1", [])], base=1), 1))
    lane.start_ready()
    await eventually(lambda: lane.handler.started == [0, 1])
    await lane.runner.close()
    assert lane.runner.in_flight == 0
