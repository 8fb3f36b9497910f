import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from carteiro.worker.observability import tracing
from tests.unit.wire.fake_record import FakeRecord

PARENT = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}


def test_span_of_a_failed_request_has_the_error_type_but_not_the_message(monkeypatch):
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("carteiro"))
    with pytest.raises(ValueError, match="canary"), tracing.request_span(FakeRecord(), "group", "id", PARENT):
        raise ValueError("canary")
    (span,) = exporter.get_finished_spans()
    assert "canary" not in span.to_json()
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["error.type"] == "ValueError"


def test_span_of_a_tool_has_its_name_and_its_failure(monkeypatch):
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("carteiro"))
    monkeypatch.setattr(tracing, "_has_no_sdk", lambda: False)
    with tracing.tool_span("weather"):
        pass
    with tracing.tool_span("weather") as record_failure:
        record_failure()
    first, second = exporter.get_finished_spans()
    assert (first.name, first.attributes["gen_ai.tool.name"]) == ("execute_tool weather", "weather")
    assert (first.status.status_code, second.status.status_code) == (StatusCode.UNSET, StatusCode.ERROR)
