"""Protocols between a lane, its parts, and its delivery strategy."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from carteiro.ledger.ledger import Ledger
from carteiro.wire.record import OutgoingRecord
from carteiro.worker.delivery.lane_state import LaneState
from carteiro.worker.delivery.outcome import Outcome


class DeliveryTimeout(TimeoutError):
    """Some records were not confirmed in time.

    `custom_topic_errors` has the errors of records for custom topics, by the offsets of their requests.
    """

    def __init__(self, custom_topic_errors: Mapping[int, Exception]) -> None:
        super().__init__("the broker did not confirm in time")
        self.custom_topic_errors = custom_topic_errors


class CustomTopicsUnavailable(DeliveryTimeout):
    """All outcomes are delivered except those whose custom topics take no records now. The delivery stays usable."""


class CleanupFailed(Exception):
    """The topic of what was kept for requests does not take its deletion. The outcomes are delivered again without."""


class WorkStarter(Protocol):
    """A lane, as the parts see it that give it work or room for work."""

    @property
    def may_start(self) -> bool:
        """True if requests may start."""

    def start_ready(self) -> None:
        """Start the requests that may start, and continue to read if there is room, in the next steps of the event
        loop.
        """


class LaneContext(WorkStarter, Protocol):
    """A lane, as its delivery loop sees it."""

    partition: TopicPartition
    consumer: AIOKafkaConsumer
    state: LaneState

    @property
    def log_fields(self) -> dict[str, Any]:
        """Topic and partition, as fields of log events."""

    def on_owned(self) -> None:
        """Note that the next commit names this process as the partition's owner."""

    def on_delivery_open(self) -> None:
        """Start requests, unless the lane is draining."""

    def on_delivery_closed(self) -> None:
        """Start no more requests until the delivery is open again."""

    def replace(self) -> None:
        """Have a new lane serve the partition."""


class DeliveryContext(Protocol):
    """A partition's lane, as its delivery sees it."""

    partition: TopicPartition
    group: str
    reply_topics: Sequence[str]
    """The worker's own topics of replies."""
    ledger: Ledger
    is_open: bool
    """True if the lane has an open delivery and owns the partition."""

    def on_acknowledged(self, offset: int, outcome: Outcome) -> bool:
        """Mark the request at `offset` finished; the broker has acknowledged its outcome. Return False if it was
        finished already.
        """

    def replace_outcome(self, offset: int, outcome: Outcome) -> None:
        """Note the outcome that is delivered in place of the one before, since a topic has rejected a record of it."""

    @property
    def log_fields(self) -> dict[str, Any]:
        """Topic and partition, as fields of log events."""

    def restart_delivery(self) -> None:
        """Close the delivery and open a new one."""

    def on_topic_unavailable(self, offset: int) -> None:
        """Exempt an outcome whose topic takes no records now from the limit. Its delivery keeps retrying."""

    def offset_and_metadata(self, ledger: Ledger) -> OffsetAndMetadata:
        """Return the offset and the metadata to commit for the ledger."""

    def snapshot_records(self, ledger: Ledger) -> Sequence[OutgoingRecord]:
        """Return the records to publish with a commit of the ledger."""


class Delivery(Protocol):
    """Publishes the outcomes of one lane, and commits its ledger."""

    transactional: bool
    """True if it commits in transactions."""

    async def open(self, consumer: AIOKafkaConsumer) -> None:
        """Prepare for delivery. Fence earlier owners of the partition if the strategy can.

        `consumer` asks the broker what earlier owners have left. Raise `KafkaError`.
        """

    async def deliver(self, outcomes: Mapping[int, Outcome]) -> None:
        """Publish outcomes by the offsets of their requests, and call `on_acknowledged` for each.

        Raise the error if the delivery fails. A new delivery then has to deliver the unconfirmed outcomes again.
        """

    async def commit(self) -> None:
        """Commit the current ledger, and return once that is done."""

    async def publish(self, record: OutgoingRecord) -> None:
        """Publish a record that is no request's outcome, if the worker still owns the partition.

        Ownership is checked as far as the strategy can. After an error or a cancellation the delivery is unusable: the
        lane has to restart it.
        """

    async def close(self) -> None:
        """Release all resources. Never raise, and take a few seconds at most."""
