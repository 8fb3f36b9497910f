"""Connection of a client to Kafka: it sends requests and receives their replies."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncGenerator, Iterator
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, UnknownTopicOrPartitionError
from pydantic import ValidationError

from carteiro.client.bucket import ClientBucket
from carteiro.client.chunk_filter import ChunkFilter
from carteiro.client.errors import CarteiroError, KafkaUnavailable, ReplyError, ReplyTimeout, TopicMissing
from carteiro.client.reply_consumer import ReplyConsumer
from carteiro.client.request_builder import PreparedRequest, ResultT
from carteiro.client.timeouts import call_timeouts, timeout_header
from carteiro.client.tracing import producer_span
from carteiro.schemas import OkReply, PartialReply, Request, StoredReply, reply_type
from carteiro.schemas.field_errors import explain, field_errors
from carteiro.wire.compression import DEFAULT_COMPRESSION, Compression, compression_type
from carteiro.wire.topics import Topics

_CONNECT_SECONDS = 10.0
_TOPIC_SECONDS = 5.0
"""Seconds that a topic may take to appear, at a broker that creates topics when a client asks for them."""


class KafkaConnection:
    """Connection that sends the requests of calls and awaits their replies, any number at once."""

    def __init__(
        self,
        servers: str,
        topics: Topics,
        timeout: float,
        options: dict[str, Any],
        compression: Compression = DEFAULT_COMPRESSION,
        bucket: ClientBucket | None = None,
    ) -> None:
        """`timeout` is the default wait for a reply in seconds. `options` are aiokafka's."""
        self._servers = servers
        self._options = {"bootstrap_servers": servers, **options}
        self._topics = topics
        self._timeout = timeout
        self._compression = compression
        self._bucket = bucket or ClientBucket(None)
        self._producer: AIOKafkaProducer | None = None
        self._reply_consumer: ReplyConsumer | None = None

    async def start(self) -> None:
        """Connect. Raise `KafkaUnavailable` if no broker answers."""
        self._producer = AIOKafkaProducer(
            **self._options, acks="all", compression_type=compression_type(self._compression)
        )
        self._reply_consumer = ReplyConsumer(self._options, self._refresh_partitions)
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await self._producer.start()
                await self._reply_consumer.start()
        except BaseException as error:
            await self.stop()
            if not isinstance(error, KafkaError | OSError | TimeoutError):
                raise
            raise KafkaUnavailable(f"no Kafka broker answers at {self._servers}") from error

    async def stop(self) -> None:
        """Disconnect. Calls that still wait raise `CarteiroError`."""
        replies, producer, self._reply_consumer, self._producer = self._reply_consumer, self._producer, None, None
        try:
            if replies:
                await replies.stop()
        finally:
            if producer:
                await producer.stop()

    async def send_and_wait(self, prepared: PreparedRequest[ResultT]) -> OkReply[ResultT]:
        """Send the request and return its reply."""
        async with contextlib.aclosing(self._exchange(prepared)) as records:
            async for value, whole in records:
                if whole:
                    return await self._parse_reply(value, prepared.request)
        raise AssertionError

    async def stream_reply(
        self, prepared: PreparedRequest[ResultT]
    ) -> AsyncGenerator[PartialReply | OkReply[ResultT], None]:
        """Send the request and yield the chunks of its reply. The whole reply comes last."""
        in_order = ChunkFilter()
        async with contextlib.aclosing(self._exchange(prepared)) as records:
            async for value, whole in records:
                if whole:
                    yield await self._parse_reply(value, prepared.request)
                elif (chunk := _parse_chunk(value)) is not None and in_order.passes(chunk):
                    yield chunk

    async def _exchange(self, prepared: PreparedRequest[Any]) -> AsyncGenerator[tuple[bytes, bool], None]:
        """Send the request and yield each reply record's value, and True if it is the whole reply, which comes last."""
        request = prepared.request
        seconds, deadline = call_timeouts(request.options.patience, prepared.timeout, self._timeout)
        correlation_id = uuid.uuid4().hex.encode()
        headers = [("correlation_id", correlation_id)]
        if deadline is not None:
            headers.append(timeout_header(deadline))
        if prepared.idempotency_key is not None:
            headers.append(("idempotency_key", prepared.idempotency_key.encode()))
        until = asyncio.get_running_loop().time() + seconds
        try:
            following = await self._assign_replies(request, until)
            with following.expect_reply(correlation_id) as values:
                async with asyncio.timeout_at(until):
                    request = await self._bucket.upload_texts(request)
                    await self._send(request, prepared.key, headers)
                whole = False
                while not whole:
                    async with asyncio.timeout_at(until):
                        value, whole = await values()
                    yield value, whole
        except TimeoutError:
            raise ReplyTimeout(
                f"no reply to this {request.task} request in {seconds:g} s: is its worker running, and its model up? "
                "`carteiro status` shows both"
            ) from None

    async def _assign_replies(self, request: Request[Any], deadline: float) -> ReplyConsumer:
        producer, following = self._producer, self._reply_consumer
        if producer is None or following is None:
            raise CarteiroError("the client is not started: use it in `async with`, or await start()")
        replies = self._topics.replies(request.task)
        with self._translate_errors(request):
            await self._partitions(producer, self._topics.requests(request.task), deadline)
            partitions = await self._partitions(producer, replies, deadline)
            async with asyncio.timeout_at(deadline):
                await following.add_partitions(replies, partitions)
        return following

    async def _partitions(self, producer: AIOKafkaProducer, topic: str, deadline: float) -> set[int]:
        now = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(min(deadline, now + _TOPIC_SECONDS)):
                return set(await producer.partitions_for(topic))
        except (TimeoutError, UnknownTopicOrPartitionError):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TOPIC_SECONDS):
                    if await producer.client.force_metadata_update():
                        raise TopicMissing(
                            f"there is no topic {topic} at {self._servers}, which creates none by itself: "
                            "run `carteiro topics create`"
                        ) from None
            raise KafkaUnavailable(f"no Kafka broker answers at {self._servers}") from None

    async def _refresh_partitions(self, topic: str) -> set[int]:
        assert self._producer is not None
        await self._producer.client.force_metadata_update()
        return set(await self._producer.partitions_for(topic))

    async def _send(self, request: Request[Any], key: bytes | None, headers: list[tuple[str, bytes]]) -> None:
        assert self._producer is not None
        topic = self._topics.requests(request.task)
        with self._translate_errors(request), producer_span(topic) as trace:
            await self._producer.send_and_wait(topic, request.to_json(), key, headers=[*headers, *trace])

    @contextlib.contextmanager
    def _translate_errors(self, request: Request[Any]) -> Iterator[None]:
        topic = self._topics.requests(request.task)
        try:
            yield
        except MessageSizeTooLargeError as error:
            raise CarteiroError(
                f"the request is larger than {topic} accepts; a bucket (the client's `bucket`, the command's --bucket)"
                f" takes long texts: {error}"
            ) from error
        except UnknownTopicOrPartitionError as error:
            raise TopicMissing(f"there is no topic {topic} at {self._servers} any more") from error
        except KafkaError as error:
            raise KafkaUnavailable(f"{self._servers} did not accept the request: {error}") from error

    async def _parse_reply(self, value: bytes, request: Request[ResultT]) -> OkReply[ResultT]:
        result: type[ResultT] = request.result  # type: ignore[assignment]
        try:
            reply = reply_type(result).validate_json(value)
            if reply.status == "stored":
                stored = result.model_validate_json(await self._bucket.read_result(reply.stored_result))
                fields = {name: getattr(reply, name) for name in StoredReply.model_fields if name != "stored_result"}
                reply = OkReply[result](**fields | {"status": "ok", "result": stored})  # type: ignore[valid-type]
        except ValidationError as error:
            reason = explain(field_errors(error, root="reply", limit=1))
            raise CarteiroError(f"the reply is not valid in this version: {reason}") from None
        if reply.status == "error":
            raise ReplyError(reply)
        return reply


def _parse_chunk(value: bytes) -> PartialReply | None:
    """Return the chunk in a record's value, or None if it can't be read: the whole reply has all of the text."""
    try:
        return PartialReply.model_validate_json(value)
    except ValidationError:
        return None
