"""Records that a producer takes, and those that it rejects at once."""

import asyncio
import random
from dataclasses import replace

import pytest
from aiokafka.errors import MessageSizeTooLargeError, UnknownTopicOrPartitionError
from aiokafka.producer.message_accumulator import BatchBuilder

from carteiro.kafka.bounded_producer import BoundedProducer
from carteiro.wire.compression import Compression
from carteiro.wire.record import OutgoingRecord, record_size
from carteiro.wire.record_batches.raw_batches import BATCH_HEADER

CODECS: dict[Compression, int] = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
"""Numbers of the codecs in a batch's attributes."""


def record(value: bytes) -> OutgoingRecord:
    return OutgoingRecord("t", 0, None, value, ())


async def batch_of(producer: BoundedProducer, *values: bytes) -> bytes:
    """Return the only batch that the producer would send for these values."""
    for value in values:
        await producer.dispatch(record(value))
    nodes, _ = producer._message_accumulator.drain_by_nodes(ignore_nodes=())
    (batch,) = nodes[1].values()
    return bytes(batch.get_data_buffer())


def codec_of(batch: bytes) -> int:
    attributes: int = BATCH_HEADER.unpack_from(batch)[5]
    return attributes & 7


@pytest.mark.parametrize("value", [bytes(100_000), random.randbytes(100_000)], ids=["compressible", "random"])
async def test_record_above_the_bound_is_rejected_at_once(producer: BoundedProducer, value: bytes) -> None:
    with pytest.raises(MessageSizeTooLargeError):
        await producer.dispatch(record(value))


async def test_record_that_cannot_be_sent_is_known_before_it_is_sent(producer: BoundedProducer) -> None:
    room = producer._max_request_size
    assert producer.can_send(record(bytes(room - 600)))
    assert not producer.can_send(record(bytes(room - 100)))
    headers = [(f"header-{number}", b"x" * 30) for number in range(30)]
    largest = OutgoingRecord("t", 0, b"key", b"", headers)
    largest = replace(largest, value=bytes(room - 512 - record_size(largest)))
    assert producer.can_send(largest)
    await producer.dispatch(largest)


@pytest.mark.parametrize("producer", CODECS, indirect=True)
async def test_batch_is_compressed_as_set(producer: BoundedProducer, request: pytest.FixtureRequest) -> None:
    compression = request.node.callspec.params["producer"]
    batch = await batch_of(producer, *[b'{"status": "ok"}' * 50] * 50)
    assert codec_of(batch) == CODECS[compression]
    assert (len(batch) < 10_000) == (compression != "none")


async def test_batch_is_not_compressed_by_default(producer: BoundedProducer) -> None:
    """Not every client has the codecs: KafkaJS has no lz4."""
    assert codec_of(await batch_of(producer, bytes(1000))) == CODECS["none"]


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
@pytest.mark.parametrize("size", [10, 1_000, 100_000, 4_000_000])
def test_compression_enlarges_random_bytes_by_less_than_the_room_for_it(size: int, codec: int) -> None:
    """aiokafka sends a compressed batch even if it is larger. The producer's bounds leave room for that."""
    batch = BatchBuilder(2 * size, codec)
    assert batch.append(timestamp=0, key=None, value=random.randbytes(size)) is not None
    before = batch.size()
    assert len(batch._build()) - before <= 32 + size // 1024


@pytest.mark.parametrize("producer", CODECS, indirect=True)
async def test_largest_record_stays_below_the_bound_in_any_compression(producer: BoundedProducer) -> None:
    room = producer._max_request_size
    assert len(await batch_of(producer, random.randbytes(room - 100))) + 2_048 <= 100_000


async def test_batch_is_bounded_by_its_size_before_compression(producer: BoundedProducer) -> None:
    """A reader unpacks the whole batch, so its memory is bounded too."""
    batch = producer.create_batch()
    while batch.append(timestamp=0, key=None, value=bytes(30_000)) is not None:
        pass
    assert batch.record_count() == 3


class OwnTopicOutcome:
    """An outcome with a record for a topic of our own, which the broker may create."""

    creates_topic = True

    def __init__(self, topic: str) -> None:
        self.custom_record = OutgoingRecord(topic, None, None, b"", ())


async def test_missing_topic_of_our_own_is_a_problem_of_its_outcome_only(
    producer: BoundedProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_no_topic() -> asyncio.Future[bool]:
        found: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        found.set_result(True)
        return found

    monkeypatch.setattr(producer.client, "force_metadata_update", find_no_topic)
    problems = await producer.find_problems({1: OwnTopicOutcome("t"), 2: OwnTopicOutcome("gone")})
    assert {offset: type(error) for offset, error in problems.items()} == {2: UnknownTopicOrPartitionError}
