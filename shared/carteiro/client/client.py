"""The asynchronous client."""

import asyncio
import uuid
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Literal, Self, TypedDict, TypeVar, Unpack

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, UnknownTopicOrPartitionError
from pydantic import BaseModel, ValidationError

from carteiro.client.errors import CarteiroError, KafkaUnavailable, ReplyError, ReplyTimeout
from carteiro.client.replies import Replies
from carteiro.schemas import (
    AnswerRequest,
    AnswerResult,
    ChatMessage,
    ChatRequest,
    ChatResult,
    GenerateRequest,
    GenerateResult,
    OkReply,
    Options,
    Request,
    SentimentRequest,
    SentimentResult,
    SummarizeRequest,
    SummarizeResult,
    TranslateRequest,
    TranslateResult,
    reply_type,
)
from carteiro.wire.topics import Topics

ResultT = TypeVar("ResultT", bound=BaseModel)

_CONNECT_SECONDS = 10.0


class Call(TypedDict, total=False):
    """What every call may be given besides what its task takes."""

    model: str
    """The model that must answer."""
    temperature: float
    max_output_tokens: int
    seed: int
    key: bytes
    """The request record's key; the reply has it too. `chat` keeps the order of requests with one key."""
    timeout: float
    """Seconds to wait for this reply; also the request's deadline."""
    idempotency_key: str


class Carteiro:
    """Sends requests and awaits their replies, any number at once.

        async with Carteiro("localhost:9092") as carteiro:
            reply = await carteiro.summarize(text)
            print(reply.result.summary)

    `timeout` is how long a call waits, in seconds; `connection` are options of aiokafka's clients, such as
    `security_protocol`, `ssl_context` and `sasl_plain_username`.

    Every call returns an `OkReply` with the task's result, and raises `ReplyError` where the reply is an error,
    `ReplyTimeout` where none comes in time, `KafkaUnavailable` where the request cannot be sent. A request that
    could not be served raises pydantic's `ValidationError` before anything is sent.
    """

    def __init__(
        self,
        bootstrap_servers: str = "localhost:9092",
        *,
        topic_prefix: str = "llm",
        timeout: float = 120.0,
        **connection: Any,
    ) -> None:
        self._servers = bootstrap_servers
        self._options = {"bootstrap_servers": bootstrap_servers, **connection}
        self._topics = Topics(topic_prefix)
        self._timeout = timeout
        self._producer: AIOKafkaProducer | None = None
        self._replies: Replies | None = None

    async def start(self) -> None:
        """Connect. Raises `KafkaUnavailable`."""
        self._producer = AIOKafkaProducer(**self._options, acks="all")
        self._replies = Replies(self._options)
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await self._producer.start()
                await self._replies.start()
        except BaseException as error:
            await self.stop()
            if not isinstance(error, KafkaError | OSError | TimeoutError):
                raise
            raise KafkaUnavailable(f"no Kafka broker answers at {self._servers}") from error

    async def stop(self) -> None:
        """Disconnect; calls that still wait raise `CarteiroError`."""
        replies, producer, self._replies, self._producer = self._replies, self._producer, None, None
        try:
            if replies:
                await replies.stop()
        finally:
            if producer:
                await producer.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def ask(
        self,
        request: Request[ResultT],
        *,
        key: bytes | None = None,
        timeout: float | None = None,
        idempotency_key: str | None = None,
    ) -> OkReply[ResultT]:
        """Send a request of any task and wait for its reply."""
        seconds = self._timeout if timeout is None else timeout
        correlation_id = uuid.uuid4().hex.encode()
        headers = [("correlation_id", correlation_id), ("timeout_ms", str(int(seconds * 1000)).encode())]
        if idempotency_key is not None:
            headers.append(("idempotency_key", idempotency_key.encode()))
        try:
            async with asyncio.timeout(seconds):
                value = await self._exchange(request, key, headers, correlation_id)
        except TimeoutError:
            raise ReplyTimeout(
                f"no reply to this {request.task} request in {seconds:g} s: is its worker running?"
            ) from None
        return self._read(value, request)

    async def _exchange(
        self, request: Request[Any], key: bytes | None, headers: list[tuple[str, bytes]], correlation_id: bytes
    ) -> bytes:
        producer, following = self._producer, self._replies
        if producer is None or following is None:
            raise CarteiroError("the client is not started: use it in `async with`, or await start()")
        topic = self._topics.requests(request.task)
        replies = self._topics.replies(request.task)
        try:
            await following.follow(replies, set(await producer.partitions_for(replies)))
            sent = producer.send_and_wait(topic, request.to_json(), key, headers=headers)
            return await following.reply_to(correlation_id, sent)
        except MessageSizeTooLargeError as error:
            raise CarteiroError(f"the request is larger than {topic} takes: {error}") from error
        except UnknownTopicOrPartitionError as error:
            raise KafkaUnavailable(f"there is no topic {topic} or {replies}: has a worker ever run here?") from error
        except KafkaError as error:
            raise KafkaUnavailable(f"the request was not taken by {self._servers}: {error}") from error

    def _read(self, value: bytes, request: Request[ResultT]) -> OkReply[ResultT]:
        result: type[ResultT] = request.result  # type: ignore[assignment]
        try:
            reply = reply_type(result).validate_json(value)
        except ValidationError as error:
            raise CarteiroError(f"the reply is not one of this version's: {error.errors()[0]['msg']}") from error
        if reply.status == "error":
            raise ReplyError(reply)
        return reply

    async def _call(self, request: type[Request[ResultT]], call: Call, **fields: Any) -> OkReply[ResultT]:
        options = {name: call[name] for name in Options.model_fields if name in call}  # type: ignore[literal-required]
        given = {name: value for name, value in fields.items() if value is not None}
        if options:
            given["options"] = Options(**options)
        return await self.ask(
            request(**given),
            key=call.get("key"),
            timeout=call.get("timeout"),
            idempotency_key=call.get("idempotency_key"),
        )

    async def generate(
        self,
        prompt: str,
        *,
        system: str | None = None,
        stop: Sequence[str] | None = None,
        json_schema: dict[str, Any] | None = None,
        **call: Unpack[Call],
    ) -> OkReply[GenerateResult]:
        """Free text from a prompt, or data in the shape of a JSON Schema."""
        stops = list(stop) if stop is not None else None
        return await self._call(
            GenerateRequest, call, prompt=prompt, system=system, stop=stops, json_schema=json_schema
        )

    async def translate(
        self,
        text: str,
        target: str,
        *,
        source: str | None = None,
        formality: Literal["formal", "informal"] | None = None,
        **call: Unpack[Call],
    ) -> OkReply[TranslateResult]:
        """The text in another language; languages are BCP 47 tags."""
        return await self._call(TranslateRequest, call, text=text, target=target, source=source, formality=formality)

    async def chat(self, messages: Sequence[ChatMessage | dict[str, str]], **call: Unpack[Call]) -> OkReply[ChatResult]:
        """The assistant's next message; messages are `{"role": ..., "content": ...}`."""
        turns = [each if isinstance(each, ChatMessage) else ChatMessage.model_validate(each) for each in messages]
        return await self._call(ChatRequest, call, messages=turns)

    async def sentiment(
        self, text: str, *, labels: Sequence[str] | None = None, **call: Unpack[Call]
    ) -> OkReply[SentimentResult]:
        """Which label fits the text best, with a score for each."""
        return await self._call(SentimentRequest, call, text=text, labels=list(labels) if labels is not None else None)

    async def answer(self, question: str, context: str, **call: Unpack[Call]) -> OkReply[AnswerResult]:
        """The answer to the question, from the context alone."""
        return await self._call(AnswerRequest, call, question=question, context=context)

    async def summarize(
        self,
        text: str,
        *,
        style: Literal["paragraph", "bullets"] | None = None,
        length: Literal["short", "medium", "long"] | None = None,
        **call: Unpack[Call],
    ) -> OkReply[SummarizeResult]:
        """The text in a few words, however long it is."""
        return await self._call(SummarizeRequest, call, text=text, style=style, length=length)
