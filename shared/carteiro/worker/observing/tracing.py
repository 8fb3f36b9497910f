"""W3C trace context: a request's trace goes on through the worker into its reply.

Without an OpenTelemetry SDK the API alone carries the context through unchanged; with one (`OTEL_*` set), each
request is a span of its own, with each call of a model and the sending of its reply below it.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from carteiro.models.failures import ModelFailure
from carteiro.models.interface import Completion, Prompt
from carteiro.wire.record import Record
from carteiro.worker.observing import conventions, metrics

_propagator = TraceContextTextMapPropagator()
_tracer = trace.get_tracer("carteiro")


def configure_tracing(service: str) -> None:
    """Export spans by OTLP where `OTEL_EXPORTER_OTLP_ENDPOINT` (or that of traces) is set."""
    if not any(os.environ.get(f"OTEL_EXPORTER_OTLP_{which}ENDPOINT") for which in ("", "TRACES_")):
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    # A name given by OpenTelemetry's own variable comes before ours.
    resource = Resource.create(None if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": service})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


@contextmanager
def request_span(record: Record, group: str, correlation_id: str, carrier: dict[str, str]) -> Iterator[Span]:
    """A span for one request, child of the one in `carrier`: from its intake until its reply is there."""
    if _nobody_looks(carrier):
        yield trace.INVALID_SPAN
        return
    parent = _propagator.extract(carrier)
    attributes = conventions.processing(record, group, correlation_id)
    with _tracer.start_as_current_span(f"process {record.topic}", parent, SpanKind.CONSUMER, attributes) as span:
        yield span


@contextmanager
def model_span(name: str, prompt: Prompt | None = None) -> Iterator[Callable[[Completion], None]]:
    """A span for one call of a model; what is given is told how the call went well."""
    attributes: dict[str, Any] = conventions.model_of(name)
    if prompt is not None:
        attributes |= conventions.asking(prompt)
    title = f"{attributes['gen_ai.operation.name']} {attributes['gen_ai.request.model']}"
    began = time.monotonic()
    failed = ""
    with _tracer.start_as_current_span(
        title, kind=SpanKind.CLIENT, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield lambda completion: span.set_attributes(conventions.answered(completion))
        except BaseException as error:
            # The failure's code says enough; its message may quote the prompt.
            failed = error.code if isinstance(error, ModelFailure) else type(error).__name__
            span.set_attribute("error.type", failed)
            span.set_status(StatusCode.ERROR)
            raise
        finally:
            labels = (attributes["gen_ai.operation.name"], attributes["gen_ai.provider.name"], name, failed)
            metrics.of(metrics.MODEL_SECONDS, *labels).observe(time.monotonic() - began)


def sending_span(topic: str, carrier: dict[str, str]) -> tuple[Span, dict[str, str]]:
    """A span for a reply on its way, to be ended once it is there; and the context that the reply carries."""
    if _nobody_looks(carrier):
        return trace.INVALID_SPAN, {}
    span = _tracer.start_span(f"send {topic}", kind=SpanKind.PRODUCER, attributes=conventions.sending(topic))
    return span, _inject(trace.set_span_in_context(span))


def carried(carrier: dict[str, str]) -> dict[str, str]:
    """The context of the request's span, for what is sent before its reply."""
    return {} if _nobody_looks(carrier) else _inject(None)


def _inject(context: Context | None) -> dict[str, str]:
    out: dict[str, str] = {}
    _propagator.inject(out, context)
    return out


def _nobody_looks(carrier: dict[str, str]) -> bool:
    """Whether nobody exports spans, and there is no context to carry on."""
    return not carrier and isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
