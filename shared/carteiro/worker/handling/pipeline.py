"""The pipeline from a request to its reply. It does not use the Kafka clients. Errors become error replies."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import structlog

from carteiro.models.errors import Misconfigured, ModelError, RateLimited, Unavailable
from carteiro.references.errors import StoreUnavailable
from carteiro.retrieval.errors import DocumentStoreInvalid, DocumentStoreUnavailable
from carteiro.schemas import ErrorDetail, ErrorReply, FieldError, OkReply
from carteiro.tasks.task import Task
from carteiro.wire.envelope import Envelope
from carteiro.worker.batch_api.deferral_policy import DeferralPolicy, DeferRequest
from carteiro.worker.conversations.pending_turn import PendingTurn
from carteiro.worker.conversations.store import ConversationStore
from carteiro.worker.handling import error_replies as errors
from carteiro.worker.handling.idempotency import IdempotencyKeyConflict, IdempotencyStore
from carteiro.worker.handling.reply_cache import ReplyCache
from carteiro.worker.handling.request_context import RequestContext
from carteiro.worker.handling.steps.cache import Cached
from carteiro.worker.handling.steps.conversation import InConversation
from carteiro.worker.handling.steps.deadline import within_deadline
from carteiro.worker.handling.steps.deduplication import Deduplicate
from carteiro.worker.handling.steps.deferral import DeferToBatch
from carteiro.worker.handling.steps.references import ResolveReferences
from carteiro.worker.handling.steps.retrieval import RetrievePassages
from carteiro.worker.handling.steps.served_tools import ServeTools
from carteiro.worker.handling.steps.step import Handle, compose
from carteiro.worker.handling.steps.task import RunTask
from carteiro.worker.handling.steps.validation import RejectInvalid
from carteiro.worker.journal.request_journal import RequestJournal
from carteiro.worker.model_calls.budget import UsageMeter
from carteiro.worker.model_calls.deferred_request import DeferredRequest
from carteiro.worker.model_calls.fallback import FallbackChain, FallbackRun
from carteiro.worker.observability import metrics
from carteiro.worker.observability.logs import traceback_summary
from carteiro.worker.parsing import RequestRejected, invalid_field
from carteiro.worker.reply_stream import ReplyStream

if TYPE_CHECKING:
    from carteiro.references.reader import ReferenceReader
    from carteiro.worker.handling.library import Library
    from carteiro.worker.tools.toolbox import Toolbox

log = structlog.get_logger("carteiro.worker")

AnyReply = OkReply[Any] | ErrorReply


@dataclass(frozen=True, slots=True)
class HandlerResult:
    """The reply to a request, and the data for its dead letter and its conversation."""

    reply: AnyReply
    dead_letter_reason: str | None = None
    """Reason for a dead letter; None if the request needs no dead letter."""
    tries: int = 0
    """Calls of models before the request became a dead letter."""
    turn: PendingTurn | None = None
    """The turn in a stored conversation; None if the request has no `conversation_id`."""
    deadline: datetime | None = None


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Pipeline of one task: it answers requests by a fallback chain of models."""

    task: Task[Any, Any]
    chain: FallbackChain
    idempotency: IdempotencyStore
    cache: ReplyCache
    conversations: ConversationStore | None = None
    shows_reasoning: bool = False
    """True if callers may see the reasoning of a model."""
    deferral: DeferralPolicy | None = None
    """Policy for the requests that are deferred; None if no request is deferred."""
    references: "ReferenceReader | None" = None
    """Reader of the texts that requests refer to; None if such requests are rejected."""
    library: "Library | None" = None
    """Collections that requests may name; None if such requests are rejected."""
    toolbox: "Toolbox | None" = None
    """Tools that the worker runs for models; None if it has none."""
    _handle: Handle = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        handle = compose(
            RejectInvalid(self.task, self.chain),
            DeferToBatch(self.deferral),
            within_deadline,
            Deduplicate(self.idempotency),
            ResolveReferences(self.references),
            ServeTools(self.toolbox),
            InConversation(self.conversations, self.task, self.references),
            RetrievePassages(self.library),
            Cached(self.cache, self.task.name),
            last=RunTask(self.task, self.chain, self.shows_reasoning),
        )
        object.__setattr__(self, "_handle", handle)

    async def run(
        self,
        envelope: Envelope,
        topic_partition: tuple[str, int],
        address_problem: FieldError | None,
        meter: UsageMeter,
        stream: ReplyStream,
        deferred: DeferredRequest | None = None,
        journal: RequestJournal | None = None,
    ) -> HandlerResult:
        """Return the result of one request, which came from `topic_partition`.

        `address_problem` is the reason if the reply cannot be sent to the topic that the request names. Then no model
        is called. `meter` counts the usage; `stream` gets the text while the model writes it. `deferred` is set in the
        batch service. `journal` has the finished calls of the request, or of the event whose step it is.

        Any error becomes an error reply. Raise only `DeferRequest` if the request has to be deferred, and
        `asyncio.CancelledError`.
        """
        context = RequestContext(
            envelope=envelope,
            topic_partition=topic_partition,
            address_problem=address_problem,
            meter=meter,
            stream=stream,
            fallback_run=FallbackRun(self.chain, meter),
            deferred=deferred,
            journal=journal,
        )
        if not self.chain.uses_batches:
            metrics.labelled(metrics.QUEUE_SECONDS, self.task.name).observe(context.queue_seconds)
        try:
            reply = await self._handle(context)
        except DeferRequest:
            raise
        except Exception as error:  # noqa: BLE001  # it becomes a reply
            return self._error_result(context, error)
        return HandlerResult(reply, turn=context.turn, deadline=context.deadline)

    def _error_result(self, context: RequestContext, error: Exception) -> HandlerResult:
        task, envelope, meter, run = self.task.name, context.envelope, context.meter, context.fallback_run
        match error:
            case RequestRejected():
                return HandlerResult(errors.error_reply(task, envelope, error.error, meter))
            case IdempotencyKeyConflict():
                problem = FieldError(field="header idempotency_key", reason="came with another request before")
                return HandlerResult(errors.error_reply(task, envelope, invalid_field(problem).error, meter))
            case StoreUnavailable():
                log.warning("the store of a text stayed away", reason=str(error))
                detail = ErrorDetail(code="store_unavailable", message=str(error), retryable=True)
                return HandlerResult(errors.error_reply(task, envelope, detail, meter), str(error))
            case DocumentStoreUnavailable() | DocumentStoreInvalid():
                log.warning("the store of documents failed", reason=str(error))
                message = f"the store of documents: {error}"
                detail = ErrorDetail(code="store_unavailable", message=message, retryable=True)
                return HandlerResult(errors.error_reply(task, envelope, detail, meter), message)
            case ModelError():
                # Only these messages are logged: a model that refuses a request may quote it. The reply has it.
                logged = isinstance(error, Unavailable | RateLimited | Misconfigured)
                reason = {"reason": error.message} if logged else {}
                log.warning("the model failed", model=run.model.name, code=error.code, **reason)
                reply = errors.error_reply(task, envelope, errors.model_error_detail(error), meter)
                dead_letter_reason = error.message if isinstance(error, Unavailable | Misconfigured) else None
                return HandlerResult(reply, dead_letter_reason, max(run.tries, 1))
        # The error is unexpected and not the caller's fault. The log has its place in the code; the reply must not.
        log.error("the task failed", model=run.model.name, failure=traceback_summary(error))
        reply = errors.internal_error(task, envelope.request_id, meter)
        return HandlerResult(reply, f"the service failed: {type(error).__name__}", max(run.tries, 1))
