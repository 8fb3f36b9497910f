"""Propagation of the caller's trace in the request's headers, if OpenTelemetry is installed and a trace is active."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec


@contextmanager
def producer_span(topic: str) -> Iterator[list[tuple[str, bytes]]]:
    """Open a span around the sending of a request. Yield the headers that carry its context; none without an active
    trace.
    """
    if find_spec("opentelemetry") is None:
        yield []
        return
    from opentelemetry import trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    attributes = {
        "messaging.system": "kafka",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": topic,
    }
    tracer = trace.get_tracer("carteiro")
    with tracer.start_as_current_span(f"send {topic}", kind=trace.SpanKind.PRODUCER, attributes=attributes):
        carrier: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(carrier)
        yield [(name, value.encode()) for name, value in carrier.items()]
