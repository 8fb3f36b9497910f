"""Batches are unpacked outside the event loop, one after the other, as fast as the receiver accepts records."""

import asyncio
import threading

import cramjam
import pytest

from carteiro.wire.record_batches.record_parser import SkippedOffsets, parse_records
from carteiro.worker.delivery import record_unpacker
from carteiro.worker.delivery.record_unpacker import RecordUnpacker
from tests.conftest import eventually
from tests.unit.wire.record_batches.batch_builder import PARTITION, ZSTD, encode_batch, split_one, wrap_payload


class RecordingReceiver:
    """Accepts records while it has fewer than `room`."""

    def __init__(self, room: int = 10_000, *, isolates_batches: bool = False, poison_batch: int = -1) -> None:
        self.room, self.must_isolate_batches, self.poison_batch = room, isolates_batches, poison_batch
        self.records: list = []
        self.isolated_batches: list[int] = []

    def on_records(self, records) -> None:
        self.records += records

    @property
    def has_buffer_room(self) -> bool:
        return len(self.records) < self.room

    async def unpack_isolated(self, batch, unpack) -> str | None:
        if batch.last_offset == self.poison_batch:
            return "it is poison"
        await unpack()
        self.isolated_batches.append(batch.last_offset)
        return None

    @property
    def offsets(self) -> list[int]:
        return [each.offset for each in self.records]


def record_batch(count: int, base: int = 0, codec: int = 0):
    return split_one(encode_batch([(None, b"{}", [])] * count, codec, base=base), base)


def pipe_threads() -> list[threading.Thread]:
    """Return the threads that write decompressed data into a pipe. A thread closes its pipe as it ends."""
    return [each for each in threading.enumerate() if each.name == "decompress"]


async def test_records_arrive_in_order():
    lane = RecordingReceiver()
    reader = RecordUnpacker(PARTITION, lane)
    reader.add([record_batch(5), record_batch(700, 5, ZSTD)])
    reader.add([record_batch(3, 705)])
    await eventually(lambda: len(lane.records) == 708)
    assert lane.offsets == list(range(708))
    assert not reader.queued_records


async def test_unpacking_stops_while_the_buffer_is_full():
    lane = RecordingReceiver(room=1)
    reader = RecordUnpacker(PARTITION, lane)
    reader.add([record_batch(5000, codec=ZSTD)])
    await eventually(lambda: lane.records)
    assert len(lane.records) <= record_unpacker._SLICE_RECORDS
    lane.room = 5000
    reader.continue_unpacking()
    await eventually(lambda: lane.offsets == list(range(5000)))


async def test_cleared_batches_are_not_delivered(monkeypatch):
    lane, may_go_on = RecordingReceiver(), threading.Event()

    def slow(*args):
        may_go_on.wait()
        return parse_records(*args)

    monkeypatch.setattr(record_unpacker, "parse_records", slow)
    reader = RecordUnpacker(PARTITION, lane)
    reader.add([record_batch(5)])
    await asyncio.sleep(0)
    reader.clear()
    reader.add([record_batch(2, 100)])
    may_go_on.set()
    await eventually(lambda: lane.offsets == [100, 101])


@pytest.mark.parametrize("isolates_batches", [False, True])
async def test_unreadable_batch_is_skipped_and_counted(isolates_batches):
    lane = RecordingReceiver(isolates_batches=isolates_batches)
    reader = RecordUnpacker(PARTITION, lane)
    before = record_unpacker.metrics.UNREADABLE_BATCHES.labels(PARTITION.topic)._value.get()
    reader.add([record_batch(2), split_one(wrap_payload(b"junk", 3, ZSTD)), record_batch(1, 3)])
    await eventually(lambda: len(lane.records) == 4)
    assert [type(each) is SkippedOffsets for each in lane.records] == [False, False, True, False]
    assert record_unpacker.metrics.UNREADABLE_BATCHES.labels(PARTITION.topic)._value.get() == before + 1


async def test_isolated_batches_are_unpacked_first_and_a_poison_batch_is_skipped():
    lane = RecordingReceiver(isolates_batches=True, poison_batch=2)
    reader = RecordUnpacker(PARTITION, lane)
    reader.add([record_batch(2), record_batch(1, 2), record_batch(400, 3)])
    await eventually(lambda: len(lane.records) == 403)
    assert lane.isolated_batches == [1, 402]
    assert isinstance(lane.records[2], SkippedOffsets)
    assert lane.offsets == list(range(403))


async def test_batches_are_unpacked_outside_the_event_loop(monkeypatch):
    lane, threads = RecordingReceiver(), set()

    def watched(*args):
        threads.add(threading.get_ident())
        return parse_records(*args)

    monkeypatch.setattr(record_unpacker, "parse_records", watched)
    RecordUnpacker(PARTITION, lane).add([record_batch(2)])
    await eventually(lambda: lane.records)
    assert threads
    assert threading.get_ident() not in threads


def decompression_bomb(blocks: int):
    """Return a batch with one record that claims to have 2 GB, and that has `blocks` blocks of 128 KiB."""
    inside = bytes(cramjam.zstd.compress(b"\xfe\xff\xff\xff\x0f" + b"\0\0\0\1" + b"\xe0\xff\xff\xff\x0f"))
    zeros = b"\x28\xb5\x2f\xfd\x00\x50" + b"\x02\x00\x10\x00" * blocks
    return split_one(wrap_payload(inside + zeros, 1, ZSTD))


async def test_decompression_bombs_in_three_partitions_do_not_block_a_fourth():
    lane, bombed = RecordingReceiver(), RecordingReceiver()
    readers = [RecordUnpacker(PARTITION, bombed) for _ in range(3)]
    for each in readers:
        each.add([decompression_bomb(100_000)])
    RecordUnpacker(PARTITION, lane).add([record_batch(2)])
    await eventually(lambda: lane.records)
    assert not bombed.records
    for each in readers:
        each.clear()


@pytest.mark.parametrize("blocks", [1000, 100_000])
async def test_abandoned_decompression_bomb_leaves_no_thread(blocks):
    lane = RecordingReceiver()
    reader = RecordUnpacker(PARTITION, lane)
    await eventually(lambda: not pipe_threads())
    reader.add([decompression_bomb(blocks)])
    await eventually(pipe_threads)
    if blocks > 1000:
        reader.clear()
    else:
        await eventually(lambda: lane.records)
    await eventually(lambda: not pipe_threads())
