"""W3C trace context: a request's trace goes on through the worker into its reply.

Without an OpenTelemetry SDK the API alone carries the context through unchanged; with one (`OTEL_*` set), each
request is a span of its own.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

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
def request_span(task: str, topic: str, carrier: dict[str, str]) -> Iterator[dict[str, str]]:
    """A span for one request, child of the one in `carrier`; gives the context that its reply carries."""
    if not carrier and isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        yield {}  # nobody exports spans, and there is no context to carry on
        return
    parent = _propagator.extract(carrier)
    attributes = {"messaging.system": "kafka", "messaging.destination.name": topic}
    with _tracer.start_as_current_span(f"{task} process", parent, SpanKind.CONSUMER, attributes):
        out: dict[str, str] = {}
        _propagator.inject(out)
        yield out
