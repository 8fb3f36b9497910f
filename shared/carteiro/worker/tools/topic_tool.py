"""A tool behind Kafka: each call is a record on one topic, its answer a record on another.

The request is `{"tool": NAME, "arguments": {...}}`, with the headers `correlation_id`, `reply_to`, `timeout_ms` and
`idempotency_key`. The answer has the same `correlation_id`. It is `{"result": ...}` or `{"error": "..."}`, or any
other JSON or text, which is the result.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from carteiro.client.errors import CarteiroError, TopicMissing
from carteiro.client.reply_consumer import ReplyConsumer
from carteiro.client.timeouts import timeout_header
from carteiro.concurrency.backoff import Backoff
from carteiro.models.json_output import compact_json
from carteiro.models.json_search import strict_json
from carteiro.models.prompt import ToolDefinition
from carteiro.settings.tools_file import TopicEntry
from carteiro.worker.tools.interface import ToolFailed, ToolSource

log = structlog.get_logger("carteiro.worker")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_TOPIC_SECONDS = 5.0
_UNREACHABLE = "The tool cannot be reached."


class TopicTool(ToolSource):
    """One tool, whose calls any program answers."""

    def __init__(
        self,
        name: str,
        entry: TopicEntry,
        options: Mapping[str, Any],
        producer: Callable[[], AIOKafkaProducer | None],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`name` is that of its entry and of the tool. `options` are aiokafka's, and `producer` is the worker's."""
        self._name, self._entry, self._options, self._producer = name, entry, dict(options), producer
        self._definition = ToolDefinition(name, entry.description, entry.parameters)
        self._backoff = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE, sleep=sleep)
        self._replies: ReplyConsumer | None = None
        self._tried = asyncio.Event()
        """Set after the first attempt to read answers. `_replies` is None if the last one failed."""

    @property
    def timeout(self) -> float:
        return self._entry.timeout_seconds

    async def definitions(self) -> Sequence[ToolDefinition]:
        return [self._definition]

    async def call(self, name: str, arguments: Mapping[str, Any], idempotency_key: str = "") -> str:
        loop = asyncio.get_running_loop()
        until = loop.time() + self.timeout
        await self._tried.wait()
        if (replies := self._replies) is None:
            raise ToolFailed(_UNREACHABLE)
        correlation_id = uuid.uuid4().hex.encode()
        value = compact_json({"tool": name, "arguments": dict(arguments)}).encode()
        try:
            with replies.expect_reply(correlation_id) as answers:
                for remaining in range(self._entry.tries, 0, -1):
                    left = max(until - loop.time(), 0.0)
                    try:
                        async with asyncio.timeout(left / remaining):
                            await self._send(value, correlation_id, idempotency_key.encode() or correlation_id, left)
                            answer, _ = await answers()
                            return read_answer(answer)
                    except TimeoutError:
                        continue
        except (KafkaError, CarteiroError) as error:
            log.warning("a tool's topic cannot be used", tool=self._name, reason=type(error).__name__)
            raise ToolFailed(_UNREACHABLE) from None
        raise TimeoutError

    async def run(self) -> None:
        while True:
            replies = ReplyConsumer(self._options, self._partitions)
            try:
                await self._partitions(self._entry.topic)
                await replies.start()
                await replies.add_partitions(self._entry.replies, await self._partitions(self._entry.replies))
                self._replies = replies
                self._tried.set()
                await asyncio.Event().wait()
            except Exception as error:  # noqa: BLE001  # the worker serves its other tools and requests
                reason = f"{type(error).__name__}: {error}"
                log.warning("the answers of a tool cannot be read; trying again", tool=self._name, reason=reason[:300])
            finally:
                self._replies = None
                self._tried.set()
                await replies.stop()
            await self._backoff.pause()

    async def _send(self, value: bytes, correlation_id: bytes, idempotency_key: bytes, seconds: float) -> None:
        """Send a call. A later try has the same ids, so that its receiver can see that it is the same call."""
        headers = [
            ("correlation_id", correlation_id),
            ("idempotency_key", idempotency_key),
            ("reply_to", self._entry.replies.encode()),
            ("content-type", b"application/json"),
            timeout_header(seconds),
        ]
        await self._connected_producer().send_and_wait(self._entry.topic, value, headers=headers)

    async def _partitions(self, topic: str) -> set[int]:
        producer = self._connected_producer()
        try:
            async with asyncio.timeout(_TOPIC_SECONDS):
                return set(await producer.partitions_for(topic))
        except (TimeoutError, UnknownTopicOrPartitionError):
            raise TopicMissing(f"Kafka has no topic {topic}: `carteiro topics create` creates it") from None

    def _connected_producer(self) -> AIOKafkaProducer:
        if (producer := self._producer()) is None:
            raise CarteiroError("the worker is not connected yet")
        return producer


def read_answer(value: bytes) -> str:
    """Return the result in an answer. Raise `ToolFailed` for the error in it."""
    text = value.decode(errors="replace")
    try:
        data = strict_json(text)
    except ValueError:
        return text
    if isinstance(data, dict) and isinstance(data.get("error"), str):
        raise ToolFailed(data["error"] or "The tool failed.")
    if isinstance(data, dict) and "result" in data:
        data = data["result"]
    return data if isinstance(data, str) else compact_json(data)
