"""The asynchronous client."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from types import TracebackType
from typing import Any, Literal, Self, TypedDict, Unpack

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, UnknownTopicOrPartitionError
from pydantic import ValidationError

from carteiro.client.asking import Asking, InOrder, ResultT
from carteiro.client.errors import CarteiroError, KafkaUnavailable, ReplyError, ReplyTimeout
from carteiro.client.limits import limits, timeout_header
from carteiro.client.replies import Replies
from carteiro.client.tracing import sending
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
    PartialReply,
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

_CONNECT_SECONDS = 10.0


class Call(TypedDict, total=False):
    """What every call may be given besides what its task takes."""

    model: str
    """The model that must answer."""
    temperature: float
    max_output_tokens: int
    seed: int
    cache: bool
    """Whether the reply to an equal request of the last while will do."""
    stream: bool
    """Whether pieces of the reply come while the model writes."""
    wait: str
    """How long the reply may take, such as `24h` or `30m`: the service may then do the work later, for less."""
    key: bytes
    """The request record's key; the reply has it too. `chat` keeps the order of requests with one key."""
    timeout: float
    """Seconds to wait for this reply; also the request's deadline. By default the client's; with `wait` that time."""
    idempotency_key: str


class Carteiro:
    """Sends requests and awaits their replies, any number at once.

        async with Carteiro("localhost:9092") as carteiro:
            reply = await carteiro.summarize(text)
            print(reply.result.summary)
            async for piece in carteiro.chat(messages, stream=True):
                if piece.status == "partial":
                    print(piece.text, end="")

    `timeout` is how long a call waits that does not say, in seconds; `connection` are options of aiokafka's clients,
    such as `security_protocol`, `ssl_context` and `sasl_plain_username`.

    Every call gives an `OkReply` with the task's result when it is awaited, and raises `ReplyError` where the reply
    is an error, `ReplyTimeout` where none comes in time, `KafkaUnavailable` where the request cannot be sent. A
    request that could not be served raises pydantic's `ValidationError` before anything is sent.
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

    def ask(
        self,
        request: Request[ResultT],
        *,
        key: bytes | None = None,
        timeout: float | None = None,
        idempotency_key: str | None = None,
    ) -> Asking[ResultT]:
        """A request of any task: await its reply, or go through the pieces of it with `options.stream`.

        A request with a `conversation_id` has that as its key, unless another is given. The reply to one with
        `options.wait` is awaited that long, and a minute more, unless another `timeout` is given.
        """
        seconds, deadline = limits(request.options.patience, timeout, self._timeout)
        headers = [] if deadline is None else [timeout_header(deadline)]
        if idempotency_key is not None:
            headers.append(("idempotency_key", idempotency_key.encode()))
        if key is None and isinstance(request, ChatRequest) and request.conversation_id is not None:
            key = request.conversation_id.encode()

        async def pieces() -> AsyncIterator[PartialReply | OkReply[ResultT]]:
            in_order = InOrder()
            async for value, whole in self._exchange(request, key, seconds, headers):
                if whole:
                    yield self._read(value, request)
                elif in_order.passes(piece := PartialReply.model_validate_json(value)):
                    yield piece

        async def reply() -> OkReply[ResultT]:
            async for value, whole in self._exchange(request, key, seconds, headers):
                if whole:
                    return self._read(value, request)
            raise AssertionError

        return Asking(reply, pieces)

    async def _exchange(
        self, request: Request[Any], key: bytes | None, seconds: float, more: list[tuple[str, bytes]]
    ) -> AsyncIterator[tuple[bytes, bool]]:
        """Send, and give the values of what comes back, the last of which is the whole reply."""
        correlation_id = uuid.uuid4().hex.encode()
        headers = [("correlation_id", correlation_id), *more]
        until = asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout_at(until):
                following = await self._follow(request)
            with following.expect(correlation_id) as values:
                async with asyncio.timeout_at(until):
                    await self._send(request, key, headers)
                whole = False
                while not whole:
                    async with asyncio.timeout_at(until):
                        value, whole = await values()
                    yield value, whole
        except TimeoutError:
            raise ReplyTimeout(
                f"no reply to this {request.task} request in {seconds:g} s: is its worker running?"
            ) from None

    async def _follow(self, request: Request[Any]) -> Replies:
        producer, following = self._producer, self._replies
        if producer is None or following is None:
            raise CarteiroError("the client is not started: use it in `async with`, or await start()")
        replies = self._topics.replies(request.task)
        with self._explained(request):
            await following.follow(replies, set(await producer.partitions_for(replies)))
        return following

    async def _send(self, request: Request[Any], key: bytes | None, headers: list[tuple[str, bytes]]) -> None:
        assert self._producer is not None
        topic = self._topics.requests(request.task)
        with self._explained(request), sending(topic) as trace:
            await self._producer.send_and_wait(topic, request.to_json(), key, headers=[*headers, *trace])

    @contextlib.contextmanager
    def _explained(self, request: Request[Any]) -> Iterator[None]:
        topic, replies = self._topics.requests(request.task), self._topics.replies(request.task)
        try:
            yield
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

    def _call(self, request: type[Request[ResultT]], call: Call, **fields: Any) -> Asking[ResultT]:
        options = {name: call[name] for name in Options.model_fields if name in call}  # type: ignore[literal-required]
        given = {name: value for name, value in fields.items() if value is not None}
        if options:
            given["options"] = Options(**options)
        return self.ask(
            request(**given),
            key=call.get("key"),
            timeout=call.get("timeout"),
            idempotency_key=call.get("idempotency_key"),
        )

    def generate(
        self,
        prompt: str,
        *,
        system: str | None = None,
        stop: Sequence[str] | None = None,
        json_schema: dict[str, Any] | None = None,
        **call: Unpack[Call],
    ) -> Asking[GenerateResult]:
        """Free text from a prompt, or data in the shape of a JSON Schema."""
        stops = list(stop) if stop is not None else None
        return self._call(GenerateRequest, call, prompt=prompt, system=system, stop=stops, json_schema=json_schema)

    def translate(
        self,
        text: str,
        target: str,
        *,
        source: str | None = None,
        formality: Literal["formal", "informal"] | None = None,
        **call: Unpack[Call],
    ) -> Asking[TranslateResult]:
        """The text in another language; languages are BCP 47 tags."""
        return self._call(TranslateRequest, call, text=text, target=target, source=source, formality=formality)

    def chat(
        self,
        messages: Sequence[ChatMessage | dict[str, str]],
        *,
        conversation_id: str | None = None,
        **call: Unpack[Call],
    ) -> Asking[ChatResult]:
        """The assistant's next message; messages are `{"role": ..., "content": ...}`. With a `conversation_id` they are
        what is new: the service knows the rest.
        """
        turns = [each if isinstance(each, ChatMessage) else ChatMessage.model_validate(each) for each in messages]
        return self._call(ChatRequest, call, messages=turns, conversation_id=conversation_id)

    def sentiment(
        self, text: str, *, labels: Sequence[str] | None = None, **call: Unpack[Call]
    ) -> Asking[SentimentResult]:
        """Which label fits the text best, with a score for each."""
        return self._call(SentimentRequest, call, text=text, labels=list(labels) if labels is not None else None)

    def answer(self, question: str, context: str, **call: Unpack[Call]) -> Asking[AnswerResult]:
        """The answer to the question, from the context alone."""
        return self._call(AnswerRequest, call, question=question, context=context)

    def summarize(
        self,
        text: str,
        *,
        style: Literal["paragraph", "bullets"] | None = None,
        length: Literal["short", "medium", "long"] | None = None,
        **call: Unpack[Call],
    ) -> Asking[SummarizeResult]:
        """The text in a few words, however long it is."""
        return self._call(SummarizeRequest, call, text=text, style=style, length=length)
