"""A commit records suspects, and batches that may have crashed a worker, before they are served or unpacked."""

import pytest

from carteiro.ledger.crash_tracker import MAX_ISOLATED_CRASHES
from carteiro.ledger.ledger import Ledger
from carteiro.worker.delivery.exclusive_gate import ExclusiveGate
from carteiro.worker.delivery.isolation import CrashIsolation
from carteiro.worker.delivery.partition_state import PartitionState
from tests.unit.wire.record_batches.batch_builder import encode_batch, split_one

BATCH = split_one(encode_batch([(None, b"{}", [])] * 3), 0)


class CommitRecorder:
    """Records the crash tracker's state at each commit, and the unpacking of batches, in their order."""

    def __init__(self) -> None:
        self.partition_state, self.seen = PartitionState(), []
        self.isolation = CrashIsolation(self.partition_state, ExclusiveGate(), 8, self.commit)

    async def commit(self) -> None:
        tracker = self.partition_state.crash_tracker
        self.seen.append((tracker.isolated_batch, tracker.isolated, tracker.group_upto))

    async def unpack(self) -> None:
        self.seen.append("unpacked")


async def test_batch_is_committed_before_and_after_it_is_unpacked():
    commits = CommitRecorder()
    assert await commits.isolation.unpack_isolated(BATCH, commits.unpack) is None
    assert commits.seen == [(2, -1, -1), "unpacked", (-1, -1, -1)]


async def test_poison_batch_is_skipped():
    commits = CommitRecorder()
    for _ in range(MAX_ISOLATED_CRASHES):
        commits.partition_state.crash_tracker.record_batch_start(2)
    assert "unpacked them" in await commits.isolation.unpack_isolated(BATCH, commits.unpack)
    assert commits.seen == []


async def test_finished_batch_is_skipped_without_a_reason():
    commits = CommitRecorder()
    commits.partition_state.ledger.merge(Ledger(3))
    assert await commits.isolation.unpack_isolated(BATCH, commits.unpack) == ""


async def test_batch_before_the_poison_batch_is_not_isolated():
    commits = CommitRecorder()
    commits.partition_state.crash_tracker.record_batch_start(7)
    assert await commits.isolation.unpack_isolated(BATCH, commits.unpack) is None
    assert commits.seen == []


@pytest.mark.parametrize(("isolate_upto", "expected"), [(5, (-1, 4, -1)), (-1, (-1, -1, 4))], ids=["isolated", "group"])
async def test_suspect_is_committed_before_it_starts(isolate_upto, expected):
    commits = CommitRecorder()
    commits.partition_state.crash_tracker.isolate_upto = isolate_upto
    async with commits.isolation.group_for(4).membership(4):
        assert commits.seen == [expected]


def test_suspects_share_a_quarter_of_the_limit():
    isolation = CommitRecorder().isolation
    first = isolation.group_for(0)
    assert isolation.group_for(1) is first
    assert isolation.group_for(2) is not first
