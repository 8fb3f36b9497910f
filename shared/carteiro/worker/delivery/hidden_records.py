"""Metric of the records that nobody can read yet, since a producer has left a transaction open before them.

A `read_committed` reader gets only records before the first open transaction, up to the partition's last stable offset.
Later records wait, even those of other producers, until the transaction ends or Kafka aborts it.
"""

from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError

from carteiro.worker.observability import metrics


class HiddenRecords:
    """Hidden records by partition. Records count as hidden only if the stable offset is the same in two checks."""

    def __init__(self) -> None:
        self._stable_offsets: dict[TopicPartition, int] = {}
        self._reported: set[TopicPartition] = set()

    def update_metrics(self, consumer: AIOKafkaConsumer, partitions: Iterable[TopicPartition]) -> None:
        """Set the metric for `partitions`, which are all partitions of the consumer. Drop the metric of others."""
        before, self._stable_offsets = self._stable_offsets, {}
        for partition in partitions:
            try:
                end, stable = consumer.highwater(partition), consumer.last_stable_offset(partition)
            except (AssertionError, IllegalStateError):
                continue  # the partition was revoked a moment ago
            hidden = max(end - stable, 0) if end is not None and stable is not None and stable >= 0 else 0
            if hidden:
                self._stable_offsets[partition] = stable
            stands = before.get(partition) == stable
            metrics.HIDDEN_RECORDS.labels(partition.topic, partition.partition).set(hidden if stands else 0)
        gone, self._reported = self._reported - set(partitions), set(partitions)
        for partition in gone:
            metrics.HIDDEN_RECORDS.remove(partition.topic, partition.partition)
