"""Raw record batches from aiokafka, so that no batch is decompressed on the event loop.

aiokafka decompresses batches inside `getmany`, on the event loop: a large or corrupt batch then delays every partition.
A consumer made with `value_deserializer=raw_batch_marker` gets one `RawBatch` for each batch instead of its records.
This uses private names of aiokafka; `tests/unit/worker/test_contract.py` pins them.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.memory_records import MemoryRecords

BATCH_HEADER = struct.Struct(">qiibIhiqqqhii")
"""Header of a batch in format 2: base offset, length, leader epoch, magic, CRC, attributes, last offset delta, first
timestamp, maximum timestamp, producer id, producer epoch, base sequence, number of records.
"""
_LEGACY_HEADER = struct.Struct(">qiIb")
_MAGIC_POSITION = 16
_TRANSACTIONAL, _CONTROL = 0x10, 0x20
_NO_PRODUCER = -1


def raw_batch_marker(value: Any) -> Any:
    """Mark a consumer that wants raw batches. It is passed as `value_deserializer` and never called."""
    return value


@dataclass(frozen=True, slots=True)
class RawBatch:
    """A batch as it is stored in the log."""

    data: memoryview
    base_offset: int
    """The offset that its records' offsets count from."""
    last_offset: int
    """The offset of its last record. Compaction may have removed that record."""
    start_offset: int
    """Records before this offset have been read already."""
    record_count: int
    """Number of its records, according to its header."""

    @property
    def magic(self) -> int:
        """Version of its format."""
        return self.data[_MAGIC_POSITION]


class _RawMemoryRecords(MemoryRecords):  # type: ignore[misc]
    """The records that were fetched from a partition, with their bytes."""

    def __init__(self, raw: bytes) -> None:
        super().__init__(raw)
        self.raw = raw


class RawPartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc]
    """The batches of one fetch of one partition, without aborted transactions and control batches."""

    next_fetch_offset: int

    def _unpack_records(self) -> Iterator[RawBatch]:
        began = self.next_fetch_offset
        batch = None
        for batch in split_batches(self._records.raw, began):
            if self._is_visible(batch):
                self.next_fetch_offset = max(self.next_fetch_offset, batch.last_offset + 1)
                yield batch
            self.next_fetch_offset = max(self.next_fetch_offset, batch.last_offset + 1)
        if batch is not None and self.next_fetch_offset == began:
            self.next_fetch_offset += 1  # the same offset would return the same batch again

    def _is_visible(self, batch: RawBatch) -> bool:
        if batch.magic < 2:
            return batch.last_offset >= batch.start_offset
        header = BATCH_HEADER.unpack_from(batch.data)
        attributes, producer = header[5], header[9]
        control = bool(attributes & _CONTROL)
        if self._isolation_level == fetcher.READ_COMMITTED and producer != _NO_PRODUCER:
            self._consume_aborted_up_to(batch.base_offset)
            if control and _is_abort_marker(batch):
                self._aborted_producers.discard(producer)
            if attributes & _TRANSACTIONAL and producer in self._aborted_producers:
                return False
        return not control and batch.last_offset >= batch.start_offset


def split_batches(raw: bytes, start_offset: int) -> Iterator[RawBatch]:
    """Yield the whole batches in the fetched bytes; the last batch may be cut off and is left out."""
    everything, position = memoryview(raw), 0
    while position + _LEGACY_HEADER.size <= len(raw):
        base, length, _, magic = _LEGACY_HEADER.unpack_from(raw, position)
        end = position + 12 + length
        if length < 14 or end > len(raw):
            return
        last, records = base, 1
        if magic >= 2:
            if 12 + length < BATCH_HEADER.size:
                return
            header = BATCH_HEADER.unpack_from(raw, position)
            last, records = base + max(header[6], 0), max(header[12], 0)
        yield RawBatch(everything[position:end], base, last, start_offset, records)
        position = end


def _is_abort_marker(batch: RawBatch) -> bool:
    # A control record has a length, attributes and two deltas of a byte each, then a key of four bytes: version and
    # type.
    key = bytes(batch.data[BATCH_HEADER.size + 4 : BATCH_HEADER.size + 9])
    return key[:1] == b"\x08" and key[3:5] == b"\x00\x00"


_PartitionRecords = fetcher.PartitionRecords


def _partition_records(*args: Any) -> Any:
    raw = args[5] is raw_batch_marker
    return (RawPartitionRecords if raw else _PartitionRecords)(*args)


def _install() -> None:
    """Make aiokafka's consumers recognise `raw_batch_marker`. Other consumers do not change."""
    fetcher.MemoryRecords, fetcher.PartitionRecords = _RawMemoryRecords, _partition_records


_install()
