"""The asynchronous client."""

import inspect
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from carteiro.client.bucket import ClientBucket
from carteiro.client.calls import CoroutineCalls, StreamingCalls
from carteiro.client.connection import KafkaConnection
from carteiro.client.request_builder import check_keyword
from carteiro.wire.compression import DEFAULT_COMPRESSION, Compression
from carteiro.wire.topics import DEFAULT_PREFIX, Topics

_CONNECTION_OPTIONS = frozenset(inspect.signature(AIOKafkaProducer).parameters) & frozenset(
    inspect.signature(AIOKafkaConsumer).parameters
)
"""Options that aiokafka's producer and consumer have in common."""
_OWN_OPTIONS = {"bootstrap_servers", "topic_prefix", "timeout", "compression", "bucket"}


class Carteiro(CoroutineCalls):
    """Client that sends requests and awaits their replies, any number at once.

        async with Carteiro("localhost:9092") as carteiro:
            reply = await carteiro.summarize(text)
            print(reply.result.summary)
            async for piece in carteiro.stream.chat("Why is the sky blue?"):
                if piece.status == "partial":
                    print(piece.text, end="")

    `timeout` is the time in seconds that a call waits for its reply, unless the call gives its own. `compression` is
    that of the requests; Azure Event Hubs needs `none`. `bucket` is the place for the texts of requests above 512 KiB,
    `s3://BUCKET/PREFIX`, `gs://` or `az://`; the service has to permit it. `connection` holds options of aiokafka's
    clients, such as `security_protocol`, `ssl_context` and `sasl_plain_username`.

    Every call is a coroutine that returns an `OkReply` with the task's result. It raises `RequestInvalid` or
    `TypeError` before anything is sent, `ReplyError` if the reply is an error, `ReplyTimeout` if no reply comes in
    time, `KafkaUnavailable` if the request can't be sent, its subclass `TopicMissing` if the task's topics do not
    exist, and `BucketUnavailable` if a bucket can't be used.
    """

    def __init__(
        self,
        bootstrap_servers: str = "localhost:9092",
        *,
        topic_prefix: str = DEFAULT_PREFIX,
        timeout: float = 120.0,
        compression: Compression = DEFAULT_COMPRESSION,
        bucket: str | None = None,
        **connection: Any,
    ) -> None:
        for name in connection:
            check_keyword("Carteiro", name, _CONNECTION_OPTIONS | _OWN_OPTIONS)
        topics = Topics(topic_prefix)
        super().__init__(
            KafkaConnection(bootstrap_servers, topics, timeout, connection, compression, ClientBucket(bucket))
        )

    @property
    def stream(self) -> StreamingCalls:
        """Same calls for `async for` over the chunks of the reply."""
        return StreamingCalls(self._connection)

    async def start(self) -> None:
        """Connect. Raise `KafkaUnavailable` if no broker answers."""
        await self._connection.start()

    async def stop(self) -> None:
        """Disconnect. Calls that still wait raise `CarteiroError`."""
        await self._connection.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
