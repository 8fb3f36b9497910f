"""The defaults of a handler are those of live requests in any order."""

from carteiro.ledger.ledger import Ledger
from carteiro.ledger.metadata import MAX_UNFINISHED
from carteiro.worker.delivery.partition_handler import PartitionHandler


class LeastHandler(PartitionHandler):
    """A handler with nothing of its own."""


async def test_handler_without_state_prepares_nothing_and_publishes_no_snapshot() -> None:
    handler = LeastHandler()
    assert await handler.on_assigned(0) is None
    assert handler.snapshot_records(0, Ledger(5)) == ()
    handler.on_lost(0)


def test_released_partition_is_drained_and_crashes_are_tracked_unless_a_handler_resumes() -> None:
    handler = LeastHandler()
    assert not any((handler.resumable, handler.snapshots, handler.by_key))
    assert handler.max_unfinished == MAX_UNFINISHED
