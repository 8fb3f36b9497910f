"""Answers equal requests by a stored reply."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from carteiro.schemas import OkReply
from carteiro.worker.handling.reply_cache import ReplyCache
from carteiro.worker.handling.request_context import RequestContext
from carteiro.worker.handling.steps.step import Handle
from carteiro.worker.observability import metrics


@dataclass(frozen=True, slots=True)
class Cached:
    """Looks for a stored reply if the request has `options.cache`, and stores the new one."""

    cache: ReplyCache
    task: str

    async def __call__(self, context: RequestContext, handle: Handle) -> OkReply[Any]:
        request = context.parsed
        if not request.options.cache:
            return await handle(context)
        reply, cached = await self.cache.get_or_compute(
            request, context.fallback_run.chain.model_names, partial(handle, context)
        )
        metrics.labelled(metrics.CACHE, self.task, "hit" if cached else "miss").inc()
        return context.own(reply) if cached else reply
