"""Protocol between the lanes of a topic and the service that handles its requests."""

from collections.abc import Sequence
from typing import Protocol

from carteiro.kafka.broker_limits import BrokerLimits
from carteiro.ledger.ledger import Ledger
from carteiro.ledger.metadata import MAX_UNFINISHED
from carteiro.wire.record import MAX_REQUEST_BYTES, OutgoingRecord, Record
from carteiro.worker.delivery.exclusive_gate import ExclusiveGate
from carteiro.worker.delivery.interface import Delivery, DeliveryContext
from carteiro.worker.delivery.outcome import Outcome


class PartitionHandler(Protocol):
    """Handles the requests of one topic. Its lanes share it."""

    group: str
    reply_topics: Sequence[str] = ()
    """The task's own topics of replies."""
    max_in_flight: int
    """Maximum requests of one partition that run at the same time."""
    by_key: bool = False
    """True if requests with the same record key run one after the other."""
    max_value_bytes: int = MAX_REQUEST_BYTES
    """Size in bytes up to which a record is read with its value."""
    max_per_transaction: int = 1000
    """Maximum outcomes that are delivered together: `read_committed` readers wait until all of them are written."""
    max_unfinished: int = MAX_UNFINISHED
    """Requests of one partition that may be unfinished at the same time; more of them if a commit has room for them."""
    resumable: bool = False
    """True if the next owner can continue requests in flight. Then a released partition is not drained, and no request
    becomes a suspect after a crash."""
    snapshots: bool = False
    """True if `snapshot_records` returns the ledger, so that a commit's metadata need not have room for it."""
    broker_limits: BrokerLimits
    exclusive_gate: ExclusiveGate

    def accepts_work(self) -> bool:
        """Return True if requests may start now, as far as the model is concerned."""

    async def handle(self, record: Record) -> Outcome:
        """Serve a request. Raise nothing except cancellation."""

    async def reject_poison(self, record: Record, deaths: int) -> Outcome:
        """Return the outcome of a poison request that has crashed `deaths` workers."""

    def create_delivery(self, lane: DeliveryContext) -> Delivery:
        """Return a new delivery for a lane, not yet open."""

    async def on_assigned(self, partition: int) -> Ledger | None:  # noqa: ARG002
        """Prepare to serve a partition, each time this worker takes ownership of it.

        Return the ledger of requests that are finished in addition to the committed ones, or None. Raise nothing except
        cancellation.
        """
        return None

    def on_lost(self, partition: int) -> None:
        """Release a partition that was prepared, since another worker owns it now."""

    def snapshot_records(self, partition: int, ledger: Ledger) -> Sequence[OutgoingRecord]:  # noqa: ARG002
        """Return the records to publish with each commit of a partition's ledger."""
        return ()
