"""Records behind an open transaction are counted if it stays open."""

from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError

from carteiro.worker.delivery.hidden_records import HiddenRecords
from carteiro.worker.observability.metrics import REGISTRY

PARTITION = TopicPartition("hidden-records", 0)


class Consumer:
    """A consumer whose partition ends at `end`, and is readable up to `stable`."""

    end: int | None = 10
    stable: int | None = 10

    def highwater(self, _partition: TopicPartition) -> int | None:
        return self.end

    def last_stable_offset(self, _partition: TopicPartition) -> int | None:
        return self.stable


class RevokedConsumer(Consumer):
    def highwater(self, _partition: TopicPartition) -> int | None:
        raise IllegalStateError


def hidden() -> float | None:
    return REGISTRY.get_sample_value("carteiro_hidden_records", {"topic": PARTITION.topic, "partition": "0"})


def test_records_are_hidden_if_the_stable_offset_stands_in_two_checks() -> None:
    records, consumer = HiddenRecords(), Consumer()
    seen = []
    for end, stable in [(10, 10), (12, 10), (15, 10), (16, 15), (16, 16), (None, None)]:
        consumer.end, consumer.stable = end, stable
        records.update_metrics(consumer, [PARTITION])  # type: ignore[arg-type]
        seen.append(hidden())
    assert seen == [0, 0, 5, 0, 0, 0]


def test_metric_of_a_lost_partition_is_dropped() -> None:
    records, consumer = HiddenRecords(), Consumer()
    records.update_metrics(consumer, [PARTITION])  # type: ignore[arg-type]
    records.update_metrics(RevokedConsumer(), [PARTITION])  # type: ignore[arg-type]
    assert hidden() == 0
    records.update_metrics(consumer, [])  # type: ignore[arg-type]
    assert hidden() is None
