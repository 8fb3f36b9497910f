"""Results that are too large for their topic: they are stored in a bucket, and the reply has their address."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import structlog

from carteiro.concurrency.retry import retry_while_away
from carteiro.references.errors import StoreRefused, StoreUnavailable
from carteiro.schemas import OkReply, StoredReply, StoredResult
from carteiro.worker.handling import fallbacks

if TYPE_CHECKING:  # the outcome calls these functions
    from carteiro.worker.handling.pipeline import AnyReply
    from carteiro.worker.handling.reply_outcome import ReplyOutcome

log = structlog.get_logger("carteiro.worker")

_PATIENCE_SECONDS = 3600.0
"""Longest time that a result waits for its bucket, if the request's deadline is not earlier."""
_DELIVERY_SECONDS = 10.0
"""The same for a result that a delivery waits for, and with it other replies of its partition."""


def written_reply(reply: "AnyReply", stored: StoredResult | None) -> "AnyReply | StoredReply":
    """Return the reply as it is written. With `stored`, the place of the result stands for the result."""
    if stored is None or not isinstance(reply, OkReply):
        return reply
    fields = {name: getattr(reply, name) for name in StoredReply.model_fields if hasattr(reply, name)}
    return StoredReply(**fields | {"status": "stored"}, stored_result=stored)


async def store_result(
    outcome: "ReplyOutcome", deadline: datetime | None, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> "ReplyOutcome":
    """Return the outcome with its result in the bucket. While the bucket is away, it is tried again until `deadline`.

    If the bucket does not take the result, the reply is a `too_large` error.
    """
    seconds = _PATIENCE_SECONDS
    if deadline is not None:
        seconds = min(seconds, max((deadline - datetime.now(UTC)).total_seconds(), _DELIVERY_SECONDS))

    def log_away(error: StoreUnavailable) -> None:
        log.warning("a result waits for its bucket", **outcome.log_fields, reason=str(error))

    return await _store(
        outcome, lambda: retry_while_away(partial(_write, outcome), StoreUnavailable, log_away, sleep), seconds
    )


async def store_in_delivery(outcome: "ReplyOutcome") -> "ReplyOutcome":
    """Return the outcome with its result in the bucket, or with a `too_large` error. There is one try."""
    return await _store(outcome, partial(_write, outcome), _DELIVERY_SECONDS)


async def _store(
    outcome: "ReplyOutcome", write: Callable[[], Awaitable[StoredResult]], seconds: float
) -> "ReplyOutcome":
    try:
        async with asyncio.timeout(seconds):
            stored = await write()
    except (StoreRefused, StoreUnavailable, TimeoutError) as error:
        reason = str(error) or f"the bucket did not take it within {seconds:,.0f} s"
        log.error("a large result cannot be stored", **outcome.log_fields, reason=reason)
        return fallbacks.shrink_reply(outcome)
    log.info("stored a large result", **outcome.log_fields, size=stored.size_bytes)
    return replace(outcome, stored_result=stored, is_oversized=False)


async def _write(outcome: "ReplyOutcome") -> StoredResult:
    assert outcome.bucket is not None
    assert isinstance(outcome.reply, OkReply)
    value = outcome.reply.result.model_dump_json().encode()
    # A repeated request writes the same object again. The time tells apart the requests of a topic that was made again.
    sent_ms = int(outcome.known_envelope.sent_at.timestamp() * 1000)
    name = f"{outcome.reply.request_id}-{sent_ms}.json"
    return StoredResult(uri=await outcome.bucket.write(name, value, "application/json"), size_bytes=len(value))
