"""One request on its way through the pipeline."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from carteiro.schemas import FieldError, OkReply, Request, Timing
from carteiro.wire.envelope import Envelope
from carteiro.worker.conversations.pending_turn import PendingTurn
from carteiro.worker.journal.request_journal import RequestJournal
from carteiro.worker.model_calls.budget import UsageMeter
from carteiro.worker.model_calls.deferred_request import DeferredRequest
from carteiro.worker.model_calls.fallback import FallbackRun
from carteiro.worker.reply_stream import ReplyStream
from carteiro.worker.tools.request_tools import RequestTools


@dataclass(slots=True, kw_only=True)
class RequestContext:
    """A record's request, and the data that the steps add to it."""

    envelope: Envelope
    topic_partition: tuple[str, int]
    """Topic and partition that the request came from."""
    address_problem: FieldError | None
    """Reason if the reply cannot be sent to the topic that the request names."""
    meter: UsageMeter
    stream: ReplyStream
    """Gets the text while the model writes it, if the caller wants that."""
    fallback_run: FallbackRun
    """The calls of models. The first step replaces it by the run of the request's own models."""
    journal: RequestJournal | None = None
    """Finished calls of the request; None if they are not kept."""
    deferred: DeferredRequest | None = None
    """Position among the deferred requests; None in a live service."""
    request: Request[Any] | None = None
    """The parsed request; None before the first step."""
    deadline: datetime | None = None
    activity: str = "the model was at work"
    """Work that a passing deadline ends, for the error reply."""
    turn: PendingTurn | None = None
    """The turn in a stored conversation; None if the request has no `conversation_id`."""
    tools: RequestTools | None = None
    """Tools that the worker runs for the models; None if the request has none."""
    started_at: float = field(default_factory=time.monotonic)
    """Monotonic seconds."""
    queue_seconds: float = field(init=False)
    """Seconds from the record's timestamp to the worker."""

    def __post_init__(self) -> None:
        self.queue_seconds = max((datetime.now(UTC) - self.envelope.sent_at).total_seconds(), 0.0)

    @property
    def parsed(self) -> Request[Any]:
        """The parsed request, for the steps after the first."""
        assert self.request is not None
        return self.request

    @property
    def timing(self) -> Timing:
        """Times for the reply, up to now."""
        work_seconds = time.monotonic() - self.started_at
        return Timing(queue_ms=round(self.queue_seconds * 1000), work_ms=round(work_seconds * 1000))

    def own(self, reply: OkReply[Any]) -> OkReply[Any]:
        """Return a copy of another request's reply with the id and the timing of this request."""
        return reply.model_copy(update={"request_id": self.envelope.request_id, "timing": self.timing})
