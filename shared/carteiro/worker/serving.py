"""One request, from its record to its confirmed reply."""

from typing import Any

import structlog
from structlog.contextvars import bound_contextvars

from carteiro.models.interface import Model
from carteiro.wire.envelope import Envelope, read_envelope
from carteiro.wire.record import Record
from carteiro.worker import metrics
from carteiro.worker.answering import answer, internal_error
from carteiro.worker.delivery import Delivery
from carteiro.worker.task import Task
from carteiro.worker.tracing import request_span

log = structlog.get_logger("carteiro.worker")


async def serve(record: Record, task: Task[Any, Any], model: Model, delivery: Delivery, replies: str) -> None:
    """Answer a request record. When this returns, the broker has confirmed the reply, and the record is done.

    `replies` is the topic of replies that are not wanted elsewhere. Nothing but cancellation is raised: FastStream
    would go on to the next record, whose acknowledgement takes this one along.
    """
    envelope = None
    try:
        envelope = read_envelope(record)
        await _serve(record, envelope, task, model, delivery, replies)
    except Exception:
        request_id = f"{record.topic}/{record.partition}/{record.offset}"
        log.critical("a request cannot be served as it is", task=task.name, request_id=request_id, exc_info=True)
        await delivery.deliver_bare(internal_error(task.name, request_id), envelope, replies)
        metrics.REPLIES.labels(task.name, "internal").inc()


async def _serve(
    record: Record, envelope: Envelope, task: Task[Any, Any], model: Model, delivery: Delivery, replies: str
) -> None:
    ids = {"task": task.name, "correlation_id": envelope.correlation_id, "request_id": envelope.request_id}
    metrics.REQUESTS.labels(task.name).inc()
    with (
        bound_contextvars(**ids),
        metrics.IN_FLIGHT.labels(task.name).track_inprogress(),
        request_span(task.name, record.topic, envelope.trace) as trace,
    ):
        address = await delivery.address(envelope, replies)
        reply = await answer(task, model, envelope, address.problem)
        sent = await delivery.deliver(reply, envelope, address, replies=replies, trace=trace)
        code = "ok" if sent.status == "ok" else sent.error.code
        metrics.REPLIES.labels(task.name, code).inc()
        if sent.status == "ok":
            log.info(
                "answered",
                model=sent.model,
                finish_reason=sent.finish_reason,
                input_tokens=sent.usage.input_tokens,
                output_tokens=sent.usage.output_tokens,
                queue_ms=sent.timing.queue_ms,
                work_ms=sent.timing.work_ms,
            )
        else:
            log.info("answered with an error", code=code, reason=sent.error.message)
