"""What a lane needs of a way to deliver."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition

from carteiro.wire.record import OutgoingRecord
from carteiro.worker.delivery.ledger import Ledger
from carteiro.worker.delivery.outcome import Outcome
from carteiro.worker.delivery.suspects import Suspects

CALLER_SECONDS = 120.0
"""How long a topic of a caller's choice that fails for a passing reason is tried."""


class Undelivered(Exception):
    """Some records were not confirmed in time. `late` are those for topics of their callers' choice, with the
    offsets of their requests."""

    def __init__(self, late: Sequence[tuple[int, OutgoingRecord]]) -> None:
        super().__init__("the broker did not confirm in time")
        self.late = late


class Delivering(Protocol):
    """A partition's lane, as its courier sees it."""

    consumer: AIOKafkaConsumer
    partition: TopicPartition
    group: str
    ledger: Ledger
    suspects: Suspects

    def confirm(self, offset: int, outcome: Outcome) -> bool:
        """The outcome is where it belongs: its request is finished. Returns whether that is news."""

    @property
    def where(self) -> dict[str, Any]:
        """The partition, as logs name it."""

    @property
    def is_open(self) -> bool:
        """Whether there is a courier that is known to own the partition."""

    def rebuild(self) -> None:
        """Tear down the courier and build a new one."""

    def kept(self, ledger: Ledger) -> Sequence[OutgoingRecord]:
        """Records that go with a commit of that ledger."""


class Courier(Protocol):
    """Publishes the outcomes of one lane, and commits its ledger."""

    transactional: bool
    """Whether it commits in transactions."""

    async def open(self) -> None:
        """Make ready; earlier owners of the partition can deliver nothing more, where that can be had."""

    async def deliver(self, outcomes: Mapping[int, Outcome]) -> None:
        """Publish outcomes, by their requests' offsets, and have the lane confirm each. Raises what went wrong with
        the courier; the outcomes that were not confirmed are then to be delivered again by a new one."""

    async def commit(self) -> None:
        """Return once the ledger, as it now is, is committed."""

    async def publish(self, record: OutgoingRecord) -> None:
        """Publish a record that is no request's outcome, if the partition is still ours as far as can be told.

        A courier that has failed to, or was cancelled at it, is of no more use: the lane has to be rebuilt.
        """

    async def close(self) -> None:
        """Give back what is held. Never raises, and takes a few seconds at most."""
