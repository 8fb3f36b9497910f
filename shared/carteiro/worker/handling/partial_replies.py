"""The publisher of the chunks of a streamed reply."""

import asyncio

from carteiro.schemas import PartialReply
from carteiro.wire.envelope import Envelope
from carteiro.wire.reply import JSON_REPLIES, ReplyEncoder, reply_record
from carteiro.worker.handling.reply_router import ReplyAddress, ReplyRouter

_TIMEOUT_SECONDS = 5.0
"""Longest time to send one chunk. It is short because the whole reply waits behind the chunks."""


class PartialReplyPublisher:
    """Publisher of the chunks of a streamed reply: all to one partition, in order, and the reply after them.

    The chunks are not part of a transaction, so the caller sees them at once. Only the reply is guaranteed.
    """

    def __init__(
        self,
        router: ReplyRouter,
        envelope: Envelope,
        address: ReplyAddress,
        trace: dict[str, str],
        encoder: ReplyEncoder = JSON_REPLIES,
    ) -> None:
        self._router, self._envelope, self._trace, self._encoder = router, envelope, trace, encoder
        self.address = address

    async def send(self, chunk: PartialReply) -> None:
        """Send a chunk, and return when the broker has acknowledged it.

        Raise `KafkaError` if the broker rejects it, and `TimeoutError` if the broker does not answer in time.
        """
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            await self._send(chunk)

    async def _send(self, chunk: PartialReply) -> None:
        producer = self._router.producer
        assert producer is not None
        self.address = await self._router.with_partition(self.address, self._envelope.key)
        topic, partition = self.address.topic, self.address.partition
        record = reply_record(
            self._envelope,
            chunk.task,
            self._encoder.encode(chunk),
            topic=topic,
            partition=partition,
            trace=self._trace,
            seq=chunk.seq,
            final=False,
        )
        await (await producer.dispatch(record))
