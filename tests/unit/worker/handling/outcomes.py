"""Outcomes of a request for the tests of this folder."""

import json
from typing import Any

from carteiro.schemas import ErrorDetail, ErrorReply, OkReply, Timing, Usage
from carteiro.schemas.generate import GenerateResult
from carteiro.wire.deferral import deferred_record
from carteiro.wire.envelope import read_envelope
from carteiro.wire.record import OutgoingRecord
from carteiro.worker.handling.deferred_outcome import DeferredOutcome
from carteiro.worker.handling.reply_outcome import ReplyOutcome
from carteiro.worker.handling.reply_router import ReplyAddress
from tests.unit.wire.fake_record import FakeRecord

REPLIES, DEAD, DEFERRED, INBOX = "llm.generate.replies", "llm.generate.dead", "llm.generate.deferred", "inbox"
USAGE = Usage(input_tokens=2, output_tokens=3)
RECORD = FakeRecord(b'{"prompt": "Why?"}', (("correlation_id", b"c-1"),), b"key", "llm.generate.requests", 2, 17)
OK = OkReply[GenerateResult](
    task="generate",
    request_id="llm.generate.requests/2/17",
    result=GenerateResult(text="Because."),
    model="test:model",
    finish_reason="stop",
    usage=USAGE,
    timing=Timing(queue_ms=1, work_ms=2),
)
ERROR = ErrorReply(
    task="generate",
    request_id=OK.request_id,
    error=ErrorDetail(code="model_unavailable", message="it is down", retryable=True),
    usage=USAGE,
)
DEAD_LETTER = OutgoingRecord(DEAD, None, b"key", b"{}", ())


def make_outcome(
    reply: OkReply[Any] | ErrorReply = OK, topic: str = REPLIES, *, record: FakeRecord = RECORD, **fields: Any
) -> ReplyOutcome:
    """Return the outcome of a request whose reply goes to `topic`."""
    return ReplyOutcome(reply, read_envelope(record), ReplyAddress(topic), REPLIES, **fields)


def make_deferral() -> DeferredOutcome:
    """Return the outcome of a request that is deferred, and that wants its reply in the topic `INBOX`."""
    record = deferred_record(RECORD, DEFERRED)
    return DeferredOutcome(record, "generate", read_envelope(RECORD), ReplyAddress(INBOX), REPLIES)


def content(record: OutgoingRecord) -> dict[str, Any]:
    """Return the JSON of a reply's record."""
    loaded: dict[str, Any] = json.loads(record.value or b"")
    return loaded
