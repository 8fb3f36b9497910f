"""Requests from third-party producers, on a real socket."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import confluent_kafka
import pytest

from tests.broker.raw_kafka_client import RawKafkaClient
from tests.conftest import eventually
from tests.provider import Provider

REQUESTS = "llm.generate.requests"
HELLO = {"prompt": "Hello there."}


async def test_plain_json_without_headers_is_answered_and_can_be_correlated(peer: RawKafkaClient):
    sent = await peer.send(REQUESTS, b'{"prompt": "No headers at all."}', key=b"k-1")
    request_id = f"{REQUESTS}/{sent.partition}/{sent.offset}"
    named = f'"request_id":"{request_id}"'.encode()
    await eventually(lambda: any(named in each.value for each in peer.records))
    record = next(each for each in peer.records if named in each.value)
    reply = json.loads(record.value)
    assert record.key == b"k-1"
    assert reply["status"] == "ok"
    assert reply["request_id"] == request_id
    assert reply["result"] == {"text": "No headers at all.", "data": None, "reasoning": None}
    assert (reply["usage"]["input_tokens"], reply["usage"]["output_tokens"]) == (4, 4)
    assert reply["finish_reason"] == "stop"


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
async def test_confluent_kafka_with_every_compression_is_answered(peer: RawKafkaClient, codec: str):
    producer = confluent_kafka.Producer({"bootstrap.servers": peer.address, "compression.type": codec})
    correlation_id = f"confluent-{codec}".encode()
    producer.produce(REQUESTS, json.dumps(HELLO).encode(), headers=[("correlation_id", correlation_id)])
    await asyncio.to_thread(producer.flush, 10)
    record = await peer.reply("correlation_id", correlation_id)
    assert json.loads(record.value)["result"]["text"] == "Hello there."


async def test_spring_replying_kafka_template_is_answered(services, broker):
    """The bytes are those of ReplyingKafkaTemplate (Spring Kafka 4.1.2). The reply has all that it needs."""
    correlation_id = bytes.fromhex("9f1d4c5e00ff4b2a8e1f7a6b5c4d3e2f")
    headers = [
        ("kafka_replyTopic", b"spring.replies"),
        ("kafka_replyPartition", b"\x00\x00\x00\x01"),
        ("kafka_correlationId", correlation_id),
        ("__TypeId__", b"com.example.GenerateRequest"),
        ("spring_json_header_types", b'{"x":"java.lang.String"}'),
    ]
    async with RawKafkaClient(broker.address, "spring.replies") as spring:
        await spring.send(REQUESTS, json.dumps(HELLO).encode(), headers)
        record = await spring.reply("kafka_correlationId", correlation_id)
    assert record.partition == 1
    assert json.loads(record.value)["status"] == "ok"
    assert {name for name, _ in record.headers} == {"kafka_correlationId", "content-type"}


async def test_cloudevents_sdk_binary_is_answered(peer: RawKafkaClient):
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"event-1"),
        ("ce_source", b"/orders"),
        ("ce_type", b"order.note"),
        ("content-type", b"application/json"),
    ]
    await peer.send(REQUESTS, json.dumps(HELLO).encode(), headers)
    record = await peer.reply("ce_id", b"event-1")
    assert dict(record.headers)["ce_type"] == b"carteiro.generate.reply"
    assert json.loads(record.value)["result"]["text"] == "Hello there."


async def test_cloudevents_sdk_structured_is_answered(peer: RawKafkaClient):
    event = {"specversion": "1.0", "id": "event-2", "source": "/orders", "type": "order.note", "data": HELLO}
    content_type = ("content-type", b"application/cloudevents+json; charset=utf-8")
    _, record = await peer.ask(REQUESTS, event, [content_type])
    reply = json.loads(record.value)
    assert (reply["id"], reply["data"]["result"]["text"]) == ("event-2", "Hello there.")


async def test_header_that_is_not_utf_8_does_no_harm(peer: RawKafkaClient):
    reply, _ = await peer.ask(REQUESTS, HELLO, [("x-binary", b"\xff\xfe\x00"), ("x-empty", b"")])
    assert reply["status"] == "ok"


async def test_reply_goes_to_the_topic_that_the_request_names(services, broker):
    async with RawKafkaClient(broker.address, "team.inbox") as team:
        reply, record = await team.ask(REQUESTS, HELLO, [("reply_to", b"team.inbox")], key=b"key")
    assert (reply["status"], record.key) == ("ok", b"key")


@pytest.mark.parametrize(
    ("headers", "field"),
    [
        ([("reply_to", b"nul\x00inside")], "header reply_to"),
        ([("reply_to", b"no such name!")], "header reply_to"),
        ([("kafka_replyTopic", b"team.inbox"), ("kafka_replyPartition", b"\x00\x00\x03\xe7")], "reply topic"),
        ([("kafka_replyPartition", b"\x00\x05")], "header kafka_replyPartition"),
        ([("kafka_replyPartition", b"999")], "reply topic"),
        ([("deadline", b"soon\x00")], "header deadline"),
        ([("timeout_ms", b"a while")], "header timeout_ms"),
    ],
)
async def test_invalid_header_is_named_on_the_default_topic_and_costs_no_call(
    peer: RawKafkaClient, provider: Provider, headers, field
):
    before = len(provider.requests)
    reply, _ = await peer.ask(REQUESTS, HELLO, headers)
    assert reply["error"]["code"] == "invalid_request"
    assert [each["field"] for each in reply["error"]["fields"]] == [field]
    assert len(provider.requests) == before
    assert (await peer.ask(REQUESTS, HELLO))[0]["status"] == "ok"


async def test_expired_request_costs_no_call(peer: RawKafkaClient, provider: Provider):
    before = len(provider.requests)
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat().encode()
    for header in (("deadline", yesterday), ("timeout_ms", b"0")):
        reply, _ = await peer.ask(REQUESTS, HELLO, [header])
        assert (reply["error"]["code"], reply["error"]["retryable"]) == ("expired", False)
    assert len(provider.requests) == before


async def test_deadline_ends_the_models_call(peer: RawKafkaClient, provider: Provider):
    provider.hold()
    try:
        reply, _ = await peer.ask(REQUESTS, HELLO, [("timeout_ms", b"700")])
    finally:
        provider.release()
    assert reply["error"]["code"] == "expired"
    assert provider.requests[-1].abandoned


async def test_trace_continues_in_the_reply(peer: RawKafkaClient):
    trace_id = b"0af7651916cd43dd8448eb211c80319c"
    headers = [("traceparent", b"00-" + trace_id + b"-b7ad6b7169203331-01"), ("tracestate", b"vendor=1")]
    _, record = await peer.ask(REQUESTS, HELLO, headers)
    assert trace_id in dict(record.headers)["traceparent"]
    assert dict(record.headers)["tracestate"] == b"vendor=1"


async def test_idempotency_key_is_echoed(peer: RawKafkaClient):
    _, record = await peer.ask(REQUESTS, HELLO, [("idempotency_key", b"once\xff")])
    assert dict(record.headers)["idempotency_key"] == b"once\xff"
