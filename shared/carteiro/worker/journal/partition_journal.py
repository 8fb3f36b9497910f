"""The entries of one partition's requests, in memory."""

import asyncio
from collections.abc import Mapping
from typing import Protocol

from carteiro.wire.record import OutgoingRecord
from carteiro.worker.journal.entry import request_of


class JournalWriter(Protocol):
    """Writes to the topic of a journal."""

    @property
    def max_partition_bytes(self) -> int:
        """Maximum bytes of a partition's entries in memory."""

    @property
    def is_available(self) -> bool:
        """False if the topic took nothing a while ago."""

    def publish(self, record: OutgoingRecord) -> asyncio.Future[None] | None:
        """Begin to write a record. The future never has an error. Return None if the topic takes nothing now."""

    def on_failed(self, error: Exception) -> None:
        """Record that the topic does not take a record."""

    def on_reused(self) -> None:
        """Count a call that was found and not made again."""

    def on_forgotten(self, calls: int) -> None:
        """Count calls that do not fit in memory."""

    def cancel_answer(self, model: str, response_id: str) -> None:
        """Begin to cancel an answer that a model's provider writes in the background. Its errors are ignored."""


class PartitionJournal:
    """Entries by the offsets of their requests. They are those of the topic's partition with the same number.

    Beyond the writer's limit of bytes, those of the earliest requests are forgotten.
    """

    def __init__(self, writer: JournalWriter, topic: str, partition: int) -> None:
        self.writer, self._topic, self._partition = writer, topic, partition
        self.name = f"{topic}/{partition}"
        self._bytes = 0
        self._requests: dict[int, dict[bytes, bytes]] = {}

    def load(self, values: Mapping[bytes, bytes]) -> int:
        """Replace the entries by the topic's values by key. Return the number of entries."""
        self._requests, self._bytes = {}, 0
        for key, value in values.items():
            self._add(key, value)
        return sum(len(entries) for entries in self._requests.values())

    def entries(self, request: int) -> Mapping[bytes, bytes]:
        """Return the entries of a request by their keys."""
        return self._requests.get(request, {})

    def write(self, key: bytes, value: bytes) -> asyncio.Future[None] | None:
        """Add an entry, and begin to write it to the topic. Return None if the topic takes nothing now."""
        self._add(key, value)
        return self.writer.publish(OutgoingRecord(self._topic, self._partition, key, value, ()))

    def tombstone(self, key: bytes) -> OutgoingRecord:
        """Return the record that deletes an entry."""
        return OutgoingRecord(self._topic, self._partition, key, None, ())

    def remove(self, key: bytes) -> None:
        """Remove an entry. The topic still has it."""
        request = request_of(key)
        if request is None or (entries := self._requests.get(request)) is None:
            return
        self._bytes -= len(entries.pop(key, b""))
        if not entries:
            del self._requests[request]

    def forget(self, request: int) -> None:
        """Remove the entries of a request."""
        if (entries := self._requests.pop(request, None)) is not None:
            self._bytes -= sum(map(len, entries.values()))

    def _add(self, key: bytes, value: bytes) -> None:
        if (request := request_of(key)) is None:
            return
        entries = self._requests.setdefault(request, {})
        self._bytes += len(value) - len(entries.get(key, b""))
        entries[key] = value
        while self._bytes > self.writer.max_partition_bytes:
            earliest = next(iter(self._requests))
            self.writer.on_forgotten(len(self._requests[earliest]))
            self.forget(earliest)
