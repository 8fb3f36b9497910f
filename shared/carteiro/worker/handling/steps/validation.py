"""Rejects invalid requests, and selects the models and the deadline of the others."""

from dataclasses import dataclass
from typing import Any

from carteiro.schemas import FieldError, OkReply, Request
from carteiro.tasks.task import Task
from carteiro.wire.envelope import add_duration
from carteiro.worker.handling.request_context import RequestContext
from carteiro.worker.handling.steps.step import Handle
from carteiro.worker.model_calls.fallback import FallbackChain, FallbackRun
from carteiro.worker.parsing import invalid_field, parse_request


@dataclass(frozen=True, slots=True)
class RejectInvalid:
    """Raises `RequestRejected` for a request that cannot be read, or whose reply cannot be sent."""

    task: Task[Any, Any]
    chain: FallbackChain

    async def __call__(self, context: RequestContext, handle: Handle) -> OkReply[Any]:
        request = context.request = await parse_request(self.task.request, context.envelope)
        if context.address_problem:
            raise invalid_field(context.address_problem)
        if request.options.stop and not request.writes:
            raise invalid_field(FieldError(field="options.stop", reason=f"is no option of {request.task}"))
        if not self.chain.tiers.permits(request.options.service_tier):
            reason = f"is not served here: CARTEIRO_SERVICE_TIERS does not allow {request.options.service_tier}"
            raise invalid_field(FieldError(field="options.service_tier", reason=reason))
        chain = self._select_models(request)
        promised = add_duration(context.envelope.sent_at, request.options.patience)
        deadlines = [each for each in (promised, context.envelope.deadline) if each]
        context.deadline = min(deadlines) if deadlines else None
        stream = context.stream if self.task.streams and request.options.stream else None
        context.fallback_run = FallbackRun(
            chain,
            context.meter,
            stream,
            context.deadline,
            context.deferred,
            context.journal,
            chain.tiers.choose(request.options, context.deadline),
        )
        return await handle(context)

    def _select_models(self, request: Request[Any]) -> FallbackChain:
        if request.options.model is None:
            return self.chain
        if (selected := self.chain.restricted_to(request.options.model)) is None:
            reason = f"is not served here; this service answers with {' or '.join(self.chain.model_names)}"
            raise invalid_field(FieldError(field="options.model", reason=reason))
        return selected
