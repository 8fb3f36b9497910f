"""Sends the requests of an enrichment's steps through the tasks' pipelines."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from carteiro.enrichment.enricher import StepFailed
from carteiro.enrichment.enrichment_file import EnrichmentStep
from carteiro.schemas import OkReply, PartialReply
from carteiro.wire.envelope import Envelope, find_sent_time
from carteiro.wire.json_members import NotJson, to_json
from carteiro.wire.record import Record, record_id, value_size
from carteiro.worker.handling.pipeline import Pipeline
from carteiro.worker.journal.request_journal import RequestJournal
from carteiro.worker.model_calls.budget import UsageMeter
from carteiro.worker.model_calls.deferred_request import DeferredRequest
from carteiro.worker.reply_stream import ReplyStream

_ENCODE_IN_THREAD_BYTES = 4 * 1024
"""Size of an event, in bytes, from which a thread encodes requests: a byte of Protobuf becomes many values."""


@dataclass(frozen=True, slots=True)
class TaskCaller:
    """Caller of tasks for one event. Each call has all that a request has: validation, cache, fallbacks, budget."""

    pipelines: Mapping[str, Pipeline]
    """Pipelines by the name of their chain, `EnrichmentStep.chain_name`."""
    record: Record
    meter: UsageMeter
    deadline: datetime | None = None
    """Time at which a call fails; None for no limit of its own."""
    journal: RequestJournal | None = None
    """Finished calls of all steps; None if they are not kept."""
    deferred: DeferredRequest | None = None
    """The event's position, if its prompts go through a batch API."""

    async def __call__(self, step: EnrichmentStep, request: Any) -> dict[str, Any]:
        """Return the result of a step's request. Raise `StepFailed` with the code and message of the error reply."""
        if not isinstance(request, dict):
            kind = "null" if request is None else "no object"
            raise StepFailed("invalid_request", f"request: the expression gives {kind}; a request is an object")
        options = step.options.model_dump(exclude_unset=True)
        try:
            body = await _encode(request | {"options": options} if options else request, self.record)
        except NotJson as error:
            raise StepFailed("invalid_request", f"request: {step.request.text} {error}") from None
        record, request_id = self.record, f"{record_id(self.record)}/{step.name}"
        sent_at, _ = find_sent_time(record, datetime.now(UTC))
        envelope = Envelope(
            request_id=request_id,
            correlation_id=record_id(record),
            echo_headers=(),
            key=record.key,
            body=body,
            sent_at=sent_at,
            size=len(body),
            deadline=self.deadline,
            step=step.name,
        )
        async with ReplyStream(step.task, request_id, _send_nothing) as stream:
            partition = (record.topic, record.partition)
            pipeline = self.pipelines[step.chain_name]
            result = await pipeline.run(envelope, partition, None, self.meter, stream, self.deferred, self.journal)
        reply = result.reply
        if isinstance(reply, OkReply):
            dumped: dict[str, Any] = reply.result.model_dump(mode="json")
            return dumped
        raise StepFailed(reply.error.code, reply.error.message)


async def _encode(request: dict[str, Any], record: Record) -> bytes:
    """Return a request as JSON. A thread encodes it if the event is long enough to become a large one.

    Raise `NotJson`.
    """
    if value_size(record) >= _ENCODE_IN_THREAD_BYTES:
        return (await asyncio.to_thread(to_json, request)).encode()
    return to_json(request).encode()


async def _send_nothing(_: PartialReply) -> None:
    """No-op: steps are not streamed."""
