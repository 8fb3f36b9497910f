"""The handler of requests, with a pipeline that a test fills."""

import json
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import pytest

from carteiro.schemas import ErrorReply, PartialReply
from carteiro.schemas.reply import ReplySchema
from carteiro.wire.envelope import Envelope, read_envelope
from carteiro.wire.event_format import EventUnreadable
from carteiro.wire.record import OutgoingRecord
from carteiro.wire.reply import EncodedReply
from carteiro.wire.topics import Topics
from carteiro.worker.batch_api.deferral_policy import DeferRequest
from carteiro.worker.handling import request_reader as module
from carteiro.worker.handling.dead_letters import DeadLetters
from carteiro.worker.handling.deferred_outcome import DeferredOutcome
from carteiro.worker.handling.handler import RequestHandler
from carteiro.worker.handling.partial_replies import PartialReplyPublisher
from carteiro.worker.handling.pipeline import HandlerResult
from carteiro.worker.handling.reply_outcome import ReplyOutcome
from carteiro.worker.handling.reply_router import ReplyAddress
from carteiro.worker.handling.request_reader import ReplyUnwritable
from carteiro.worker.observability import metrics
from carteiro.worker.reply_stream import ReplyStream
from tests.unit.wire.fake_record import FakeRecord
from tests.unit.worker.failing_model import FREE
from tests.unit.worker.handling.outcomes import DEAD, DEFERRED, ERROR, INBOX, OK, RECORD, REPLIES, content

ANSWERED = HandlerResult(OK)


class FakePipeline:
    """Pipeline that keeps its arguments and returns, or raises, what `result` is."""

    task = SimpleNamespace(name="generate")

    def __init__(self, result: HandlerResult | Exception) -> None:
        self.result, self.calls, self.text = result, list[tuple[Any, ...]](), ""

    async def run(
        self,
        envelope: Envelope,
        topic_partition: Any,
        problem: Any,
        meter: Any,
        stream: ReplyStream,
        deferred: Any,
        journal: Any,
    ) -> HandlerResult:
        self.calls.append((envelope, topic_partition, problem, deferred))
        self.journal = journal
        if self.text:
            stream.start_attempt()(self.text)
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


class FakeRouter:
    """Router to which all topics exist."""

    def __init__(self) -> None:
        self.resolved = list[str | None]()

    async def resolve(self, envelope: Envelope, default_reply_topic: str) -> ReplyAddress:
        self.resolved.append(envelope.reply_topic)
        return ReplyAddress(envelope.reply_topic or default_reply_topic)


class Watch:
    def __init__(self, problem: str | None) -> None:
        self.problem = problem

    async def wait_for_check(self) -> str | None:
        return self.problem


def make_handler(result: HandlerResult | Exception = ANSWERED, **fields: Any) -> Any:
    return RequestHandler(
        FakePipeline(result),  # type: ignore[arg-type]
        FakeRouter(),  # type: ignore[arg-type]
        FREE,
        group="g",
        default_reply_topic=REPLIES,
        deferred_topic=DEFERRED,
        topics=Topics("llm"),
        dead_letters=DeadLetters(DEAD, "g"),
        **fields,
    )


def headers(record: OutgoingRecord | None) -> dict[str, bytes]:
    assert record is not None
    return dict(record.headers)  # type: ignore[arg-type]


async def test_outcome_has_the_reply_and_its_address() -> None:
    handler, deferred = make_handler(), object()
    record = FakeRecord(headers=(("reply_to", INBOX.encode()),), topic="llm.generate.requests", partition=3)
    outcome = await handler.handle(record, deferred)
    assert isinstance(outcome, ReplyOutcome)
    assert (outcome.reply, outcome.record.topic, outcome.dead_letter) == (OK, INBOX, None)
    ((envelope, topic_partition, problem, used),) = handler.pipeline.calls
    assert (envelope.request_id, topic_partition, problem) == (
        "llm.generate.requests/3/17",
        ("llm.generate.requests", 3),
        None,
    )
    assert used is deferred
    assert outcome.seq is None


@pytest.mark.parametrize(("fits", "status"), [(True, "ok"), (False, "stored")])
async def test_result_that_cannot_be_sent_is_stored(fits: bool, status: str) -> None:
    bucket = SimpleNamespace(write=AsyncMock(return_value="s3://letters/a"))
    handler = make_handler(reply_bucket=bucket)
    handler.router.producer = SimpleNamespace(can_send=lambda _: fits)
    outcome = await handler.handle(FakeRecord())
    assert content(outcome.record)["status"] == status
    assert bucket.write.await_count == (not fits)


async def test_request_is_counted_and_in_flight_only_while_it_is_served() -> None:
    requests, in_flight = (
        metrics.labelled(metrics.REQUESTS, "generate"),
        metrics.labelled(metrics.IN_FLIGHT, "generate"),
    )
    before, flying = requests._value.get(), in_flight._value.get()
    await make_handler().handle(RECORD)
    assert (requests._value.get(), in_flight._value.get()) == (before + 1, flying)


async def test_reply_follows_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    chunks = list[str]()

    async def send(_: PartialReplyPublisher, chunk: PartialReply) -> None:
        chunks.append(chunk.text)

    monkeypatch.setattr(PartialReplyPublisher, "send", send)
    handler = make_handler()
    handler.pipeline.text = "Be"
    outcome = await handler.handle(RECORD)
    assert chunks == ["Be"]
    assert outcome.seq == 1


@pytest.mark.parametrize("topic", ["llm.chat.requests", "llm.generate.dead", "__consumer_offsets"])
async def test_reserved_topic_gets_no_reply(topic: str) -> None:
    handler = make_handler()
    await handler.handle(FakeRecord(headers=(("reply_to", topic.encode()),)))
    ((_, _, problem, _),) = handler.pipeline.calls
    assert problem.reason == f"{topic!r} is not a topic for replies"
    assert not handler.router.resolved


async def test_failed_request_becomes_a_dead_letter_with_the_code_of_its_reply() -> None:
    outcome = await make_handler(HandlerResult(ERROR, "it is down", 4)).handle(RECORD)
    letter = headers(outcome.dead_letter)
    assert (letter["carteiro_error_code"], letter["carteiro_tries"]) == (b"model_unavailable", b"4")
    assert outcome.dead_letter.value == RECORD.value


async def test_unexpected_error_becomes_a_reply_and_a_dead_letter() -> None:
    outcome = await make_handler(ZeroDivisionError("secret")).handle(RECORD)
    assert (outcome.reply.error.code, outcome.reply.request_id) == ("internal", "llm.generate.requests/2/17")
    assert headers(outcome.record)["correlation_id"] == b"c-1"
    assert headers(outcome.dead_letter)["carteiro_error_code"] == b"internal"
    assert "secret" not in json.dumps(content(outcome.record))


async def test_unreadable_envelope_becomes_a_reply_on_the_default_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> Envelope:
        raise ZeroDivisionError

    monkeypatch.setattr(module, "read_envelope", fail)
    outcome = await make_handler().handle(FakeRecord(headers=(("reply_to", INBOX.encode()),)))
    assert (outcome.envelope, outcome.record.topic, outcome.reply.error.code) == (None, REPLIES, "internal")
    assert outcome.dead_letter is not None


async def test_request_that_did_not_reach_the_handler_gets_a_reply_and_a_dead_letter() -> None:
    handler = make_handler()
    outcome = await handler.handle_unparsed(FakeRecord(headers=(("reply_to", INBOX.encode()),)))
    assert (outcome.reply.error.code, outcome.record.topic) == ("internal", INBOX)
    assert headers(outcome.dead_letter)["carteiro_error_code"] == b"internal"
    assert not handler.pipeline.calls


async def test_poison_request_is_not_served_again() -> None:
    handler = make_handler()
    outcome = await handler.reject_poison(RECORD, 3)
    assert "3 times" in outcome.reply.error.message
    assert headers(outcome.dead_letter)["carteiro_tries"] == b"3"
    assert not handler.pipeline.calls


@pytest.mark.parametrize("watch", [None, Watch(None)])
async def test_deferred_request_goes_to_the_deferred_topic(watch: Watch | None) -> None:
    outcome = await make_handler(DeferRequest(), deferred_topic_watch=watch).handle(RECORD)
    assert isinstance(outcome, DeferredOutcome)
    (record,) = outcome.records
    assert (record.topic, record.value) == (DEFERRED, RECORD.value)


async def test_request_is_not_deferred_to_a_missing_topic() -> None:
    outcome = await make_handler(DeferRequest(), deferred_topic_watch=Watch("it is missing")).handle(RECORD)
    assert isinstance(outcome, ReplyOutcome)
    assert isinstance(outcome.reply, ErrorReply)
    assert "it is missing" in outcome.reply.error.message


class FakeEncoder:
    def encode(self, reply: ReplySchema) -> EncodedReply:
        return EncodedReply(b"binary", b"application/avro")


class FakeReader:
    """Reader that returns a format of replies, or raises an error."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.encoder = error, FakeEncoder()

    async def read(self, record: FakeRecord) -> tuple[Envelope, FakeEncoder]:
        if self.error is not None:
            raise self.error
        return read_envelope(record), self.encoder

    async def unread_encoder(self) -> FakeEncoder:
        return self.encoder


async def test_replies_chunks_and_errors_have_the_format_of_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    publishers = list[Any]()

    async def send(publisher: PartialReplyPublisher, chunk: PartialReply) -> None:
        publishers.append(publisher._encoder)

    monkeypatch.setattr(PartialReplyPublisher, "send", send)
    reader = FakeReader()
    streaming = make_handler(reader=reader)
    streaming.pipeline.text = "Once"
    outcomes = [
        await streaming.handle(RECORD),
        await make_handler(ZeroDivisionError(), reader=reader).handle(RECORD),
        await make_handler(reader=reader).reject_poison(RECORD, 3),
        await make_handler(reader=reader).handle_unparsed(RECORD),
        await make_handler(reader=FakeReader(EventUnreadable("cut off"))).handle(RECORD),
    ]
    assert [outcome.record.value for outcome in outcomes] == [b"binary"] * 5
    assert publishers == [reader.encoder]


async def test_reply_that_cannot_be_written_is_an_error_in_json_and_calls_no_model() -> None:
    handler = make_handler(reader=FakeReader(ReplyUnwritable(read_envelope(RECORD), "not compatible")))
    outcome = await handler.handle(RECORD)
    assert content(outcome.record)["error"]["code"] == "unsupported"
    assert "not compatible" in content(outcome.record)["error"]["message"]
    assert not handler.pipeline.calls


async def test_deferral_that_is_refused_has_the_format_of_the_request() -> None:
    handler = make_handler(DeferRequest(), reader=FakeReader(), deferred_topic_watch=Watch("it is missing"))
    assert (await handler.handle(RECORD)).record.value == b"binary"
