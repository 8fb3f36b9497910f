import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from carteiro.schemas.generate import GenerateRequest
from carteiro.wire.envelope import Envelope
from carteiro.worker.handling.request_context import RequestContext
from tests.unit.worker.handling.outcomes import OK


def make_context(sent_at: datetime, **fields: Any) -> RequestContext:
    fields = dict.fromkeys(("address_problem", "meter", "stream", "fallback_run")) | fields
    envelope = Envelope("t/0/5", "c", (), key=None, body=b"", sent_at=sent_at)
    return RequestContext(envelope=envelope, topic_partition=("t", 0), **fields)


def test_time_in_the_queue_ends_when_the_request_reaches_the_worker() -> None:
    context = make_context(datetime.now(UTC) - timedelta(hours=1), started_at=time.monotonic() - 60)
    assert 3600 <= context.queue_seconds < 3660
    assert context.timing.queue_ms == round(context.queue_seconds * 1000)
    assert 60_000 <= context.timing.work_ms < 120_000


def test_clock_that_is_behind_makes_no_negative_time() -> None:
    assert make_context(datetime.now(UTC) + timedelta(hours=1)).timing.queue_ms == 0


def test_reply_to_another_request_gets_the_own_id_and_timing() -> None:
    context = make_context(datetime.now(UTC), started_at=time.monotonic() - 60)
    reply = context.own(OK)
    assert (reply.request_id, reply.result, reply.usage) == ("t/0/5", OK.result, OK.usage)
    assert reply.timing.work_ms >= 60_000
    assert OK.request_id != "t/0/5"


def test_request_is_there_only_after_the_first_step() -> None:
    context, request = make_context(datetime.now(UTC)), GenerateRequest(prompt="Why?")
    with pytest.raises(AssertionError):
        _ = context.parsed
    context.request = request
    assert context.parsed is request
