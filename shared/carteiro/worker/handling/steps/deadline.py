"""Ends requests at their deadline."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from carteiro.schemas import OkReply
from carteiro.worker.handling.request_context import RequestContext
from carteiro.worker.handling.steps.step import Handle
from carteiro.worker.parsing import RequestRejected


async def within_deadline(context: RequestContext, handle: Handle) -> OkReply[Any]:
    """Raise `RequestRejected` with the code `expired` if the deadline passes before there is a reply."""
    if context.deadline is None:
        return await handle(context)
    remaining = (context.deadline - datetime.now(UTC)).total_seconds()
    if remaining <= 0:
        raise _expired(context, "passed before a worker began; no model was called")
    scope = asyncio.timeout(remaining)
    try:
        async with scope:
            return await handle(context)
    except TimeoutError:
        if not scope.expired():
            raise
        raise _expired(context, f"passed while {context.activity}") from None


def _expired(context: RequestContext, event: str) -> RequestRejected:
    assert context.deadline is not None
    hint = context.envelope.clock_hint
    return RequestRejected("expired", f"the deadline, {context.deadline.isoformat()}, {event}{hint}")
