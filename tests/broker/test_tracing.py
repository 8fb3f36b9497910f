"""One trace from the caller through the model's call to the reply, by OpenTelemetry's names."""

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from carteiro.client import Carteiro, ReplyError
from carteiro.worker.observability import tracing
from tests.broker.raw_kafka_client import RawKafkaClient
from tests.conftest import eventually
from tests.provider import Provider


@pytest.fixture
def spans(monkeypatch):
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("carteiro"))
    tracing._has_no_sdk.cache_clear()
    yield exporter
    tracing._has_no_sdk.cache_clear()


async def finished(spans, count):
    await eventually(lambda: len(spans.get_finished_spans()) >= count)
    return {span.name.replace("llm.generate.", ""): span for span in spans.get_finished_spans()}


async def test_trace_spans_from_the_caller_to_the_reply(carteiro: Carteiro, peer: RawKafkaClient, spans):
    await carteiro.generate("one two", temperature=0.5, max_output_tokens=9, key=b"k")
    found = await finished(spans, 4)
    send, process = found["send requests"], found["process requests"]
    call, reply = found["chat echo"], found["send replies"]
    assert {span.context.trace_id for span in found.values()} == {send.context.trace_id}
    assert process.parent.span_id == send.context.span_id
    assert call.parent.span_id == reply.parent.span_id == process.context.span_id
    assert [each.kind for each in (send, process, call, reply)] == [
        SpanKind.PRODUCER,
        SpanKind.CONSUMER,
        SpanKind.CLIENT,
        SpanKind.PRODUCER,
    ]
    assert process.attributes["messaging.system"] == "kafka"
    assert process.attributes["messaging.destination.name"] == "llm.generate.requests"
    assert process.attributes["messaging.consumer.group.name"] == "carteiro-generate"
    assert process.attributes["messaging.kafka.message.key"] == "k"
    assert isinstance(process.attributes["messaging.kafka.offset"], int)
    requested = {name: call.attributes[f"gen_ai.{name}"] for name in ("request.model", "request.temperature")}
    assert requested == {"request.model": "echo", "request.temperature": 0.5}
    assert call.attributes["gen_ai.request.max_tokens"] == 9
    assert call.attributes["gen_ai.usage.input_tokens"] == 2
    assert call.attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert "one two" not in str([dict(span.attributes) for span in found.values()]), "prompts are not traced"
    # The client may have read the reply before the peer receives it.
    await eventually(lambda: f"{reply.context.span_id:016x}" in str([record.headers for record in peer.records]))


async def test_failed_call_has_its_error_in_the_span(carteiro: Carteiro, provider: Provider, spans):
    provider.next("filter-prompt")
    with pytest.raises(ReplyError):
        await carteiro.generate("secret words")
    call = (await finished(spans, 4))["chat echo"]
    assert call.attributes["error.type"] == "content_filtered"
    assert call.status.status_code is StatusCode.ERROR
    assert not call.events
