"""A lane whose delivery keeps the records that it publishes, or fails."""

from collections.abc import Callable, Sequence
from typing import Any, cast

from aiokafka import TopicPartition

from carteiro.ledger.ledger import Ledger
from carteiro.wire.record import OutgoingRecord
from carteiro.worker.delivery.interface import Delivery, DeliveryContext


class FakeDelivery:
    """Delivery that raises each of `failures` in turn, and then publishes."""

    def __init__(self, *failures: Exception) -> None:
        self.failures, self.published = list(failures), list[OutgoingRecord]()
        self.on_publish: Callable[[], None] = lambda: None
        """Called at each try."""

    async def publish(self, record: OutgoingRecord) -> None:
        self.on_publish()
        if self.failures:
            raise self.failures.pop(0)
        self.published.append(record)

    @property
    def interface(self) -> Delivery:
        return cast("Delivery", self)


class FakeLane:
    """Lane of a partition. A restart attaches the next of `deliveries`, if there is one."""

    def __init__(self, partition: int = 0, deliveries: Sequence[FakeDelivery] = ()) -> None:
        self.partition = TopicPartition("llm.generate.deferred", partition)
        self.ledger, self.is_open, self.restarts = Ledger(), True, 0
        self.deliveries = list(deliveries)
        self.attach: Callable[[Delivery, DeliveryContext], object] = lambda *_: None

    log_fields: dict[str, Any] = {}  # noqa: RUF012

    def restart_delivery(self) -> None:
        self.restarts += 1
        if self.deliveries:
            self.attach(self.deliveries.pop(0).interface, self.interface)

    @property
    def interface(self) -> DeliveryContext:
        return cast("DeliveryContext", self)
