"""W3C trace context: a request's trace continues through the worker into its reply.

Without an OpenTelemetry SDK, the API only passes the context on unchanged. With an SDK (`OTEL_*` set), each request is
a span, with child spans for each model call and for the sending of its reply.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from carteiro.models.errors import ModelError
from carteiro.models.prompt import Prompt
from carteiro.models.results import Completion, Embeddings
from carteiro.wire.record import Record
from carteiro.worker.observability import metrics, semantic_conventions

_propagator = TraceContextTextMapPropagator()
_tracer = trace.get_tracer("carteiro")
_NO_SPAN = nullcontext(trace.INVALID_SPAN)


def configure_tracing(service: str) -> None:
    """Export spans by OTLP if `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is set.

    `service` is the service name, unless `OTEL_SERVICE_NAME` is set.
    """
    _has_no_sdk.cache_clear()
    if not any(os.environ.get(f"OTEL_EXPORTER_OTLP_{which}ENDPOINT") for which in ("", "TRACES_")):
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    # OpenTelemetry's own variable takes precedence over `service`.
    resource = Resource.create(None if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": service})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


def request_span(
    record: Record, group: str, correlation_id: str, carrier: dict[str, str]
) -> AbstractContextManager[Span]:
    """Return a context manager: a span for one request, as a child of the span in `carrier`."""
    return _NO_SPAN if _tracing_disabled(carrier) else _open_request_span(record, group, correlation_id, carrier)


@contextmanager
def _open_request_span(record: Record, group: str, correlation_id: str, carrier: dict[str, str]) -> Iterator[Span]:
    parent = _propagator.extract(carrier)
    attributes = semantic_conventions.process_attributes(record, group, correlation_id)
    with _tracer.start_as_current_span(
        f"process {record.topic}",
        parent,
        SpanKind.CONSUMER,
        attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield span
        except BaseException as error:
            # The span has no message of the error, since the message may quote the request.
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(StatusCode.ERROR)
            raise


@contextmanager
def model_span(
    name: str, prompt: Prompt | None = None, operation: semantic_conventions.Operation = semantic_conventions.CHAT
) -> Iterator[Callable[[Completion | Embeddings], None]]:
    """Open a span for one model call, and measure its duration. Call the yielded function with the answer."""
    began = time.monotonic()
    failed = ""
    span_or_none = _NO_SPAN if _has_no_sdk() else _start_model_span(name, prompt, operation)
    with span_or_none as span:
        try:
            yield lambda answer: _describe_answer(span, answer)
        except BaseException as error:
            # The span has only the error's code, since the message may quote the prompt.
            failed = error.code if isinstance(error, ModelError) else type(error).__name__
            span.set_attribute("error.type", failed)
            span.set_status(StatusCode.ERROR)
            raise
        finally:
            labels = (operation, semantic_conventions.provider_name(name), name, failed)
            metrics.labelled(metrics.MODEL_SECONDS, *labels).observe(time.monotonic() - began)


@contextmanager
def tool_span(name: str) -> Iterator[Callable[[], None]]:
    """Open a span for one call of a served tool. Call the yielded function if the tool gave no result."""
    if _has_no_sdk():
        yield lambda: None
        return
    with _tracer.start_as_current_span(
        f"execute_tool {name}", kind=SpanKind.CLIENT, attributes=semantic_conventions.tool_attributes(name)
    ) as span:
        yield lambda: span.set_status(StatusCode.ERROR)


def _start_model_span(
    name: str, prompt: Prompt | None, operation: semantic_conventions.Operation
) -> AbstractContextManager[Span]:
    attributes: dict[str, Any] = semantic_conventions.model_attributes(name, operation)
    if prompt is not None:
        attributes |= semantic_conventions.prompt_attributes(prompt)
    return _tracer.start_as_current_span(
        f"{operation} {attributes['gen_ai.request.model']}",
        kind=SpanKind.CLIENT,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    )


def _describe_answer(span: Span, answer: Completion | Embeddings) -> None:
    if span.is_recording():
        span.set_attributes(semantic_conventions.answer_attributes(answer))


def send_span(topic: str, carrier: dict[str, str]) -> tuple[Span, dict[str, str]]:
    """Start a span for the sending of a reply. Return the span, and the trace headers of the reply.

    The caller ends the span once the reply is acknowledged.
    """
    if _tracing_disabled(carrier):
        return trace.INVALID_SPAN, {}
    span = _tracer.start_span(
        f"send {topic}", kind=SpanKind.PRODUCER, attributes=semantic_conventions.send_attributes(topic)
    )
    return span, _inject(trace.set_span_in_context(span))


def inject_context(carrier: dict[str, str]) -> dict[str, str]:
    """Return the trace headers of the request's span, for records that are sent before its reply."""
    return {} if _tracing_disabled(carrier) else _inject(None)


def _inject(context: Context | None) -> dict[str, str]:
    out: dict[str, str] = {}
    _propagator.inject(out, context)
    return out


def _tracing_disabled(carrier: dict[str, str]) -> bool:
    """Return True if no SDK exports spans and there is no context to pass on."""
    return not carrier and _has_no_sdk()


@cache
def _has_no_sdk() -> bool:
    """Return True if no SDK exports spans. OpenTelemetry reads the environment each time that it is asked."""
    return isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
