"""Answers a repeated request by the reply to the first one."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from carteiro.schemas import OkReply
from carteiro.worker.handling.idempotency import IdempotencyStore, idempotency_scope
from carteiro.worker.handling.request_context import RequestContext
from carteiro.worker.handling.steps.step import Handle
from carteiro.worker.observability import metrics


@dataclass(frozen=True, slots=True)
class Deduplicate:
    """Runs the requests of one `idempotency_key` once. Raises `IdempotencyKeyConflict`."""

    store: IdempotencyStore

    async def __call__(self, context: RequestContext, handle: Handle) -> OkReply[Any]:
        envelope = context.envelope
        if envelope.idempotency_key is None:
            return await handle(context)
        scope = idempotency_scope(*context.topic_partition, envelope.key, envelope.idempotency_key, envelope.body)
        reply, repeated = await self.store.run_once(scope, envelope.body, partial(handle, context))
        if not repeated:
            return reply
        metrics.labelled(metrics.REPEATED_REPLIES, reply.task).inc()
        return context.own(reply)
