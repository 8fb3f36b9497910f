"""Defers requests that can wait to the batch service."""

from dataclasses import dataclass
from typing import Any

from carteiro.schemas import OkReply
from carteiro.worker.batch_api.deferral_policy import DeferralPolicy, DeferRequest
from carteiro.worker.handling.request_context import RequestContext
from carteiro.worker.handling.steps.step import Handle


@dataclass(frozen=True, slots=True)
class DeferToBatch:
    """Raises `DeferRequest` for a request that the policy defers."""

    policy: DeferralPolicy | None
    """None if no request is deferred."""

    async def __call__(self, context: RequestContext, handle: Handle) -> OkReply[Any]:
        chain = context.fallback_run.chain
        if self.policy is not None and self.policy.defers(context.parsed, context.deadline, chain):
            raise DeferRequest
        return await handle(context)
