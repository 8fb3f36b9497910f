import json
import tracemalloc

import pytest

from carteiro.schemas.answer import AnswerRequest
from carteiro.schemas.chat import ChatRequest
from carteiro.schemas.generate import GenerateRequest
from carteiro.schemas.sentiment import SentimentRequest
from carteiro.schemas.summarize import SummarizeRequest
from carteiro.wire.envelope import read_envelope
from carteiro.worker.parsing import RequestRejected, parse_request, read_request
from tests.unit.wire.fake_record import FakeRecord

CHAT = {"messages": [{"role": "user", "content": "Hi"}]}


def rejected(kind, value: bytes) -> RequestRejected:
    with pytest.raises(RequestRejected) as caught:
        read_request(kind, read_envelope(FakeRecord(value=value)))
    return caught.value


def many(item: str, count: int) -> str:
    return f"[{','.join([item] * count)}]"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (ChatRequest, f'{{"messages": {many("{}", 300_000)}}}'),
        (ChatRequest, f'{{"messages": {many("1", 500_000)}}}'),
        (ChatRequest, json.dumps({"messages": [{f"k{number}": 1 for number in range(60_000)}]})),
        (ChatRequest, json.dumps(CHAT | {f"k{number}": 1 for number in range(60_000)})),
        (ChatRequest, json.dumps(CHAT | {"options": {f"k{number}": 1 for number in range(60_000)}})),
        (SentimentRequest, f'{{"text": "x", "labels": {many("1", 500_000)}}}'),
        (GenerateRequest, f'{{"prompt": "x", "stop": {many("1", 500_000)}}}'),
        (SummarizeRequest, many("[]", 300_000)),
        (AnswerRequest, "[" * 500_000),
    ],
    ids=["messages", "numbers", "message fields", "fields", "options", "labels", "stops", "a list", "brackets"],
)
def test_json_with_many_faults_costs_little_memory_and_gets_a_short_reply(kind, value):
    tracemalloc.start()
    try:
        error = rejected(kind, value.encode()).error
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert error.code in ("invalid_request", "unreadable")
    assert len(error.model_dump_json()) < 20_000
    assert peak < 64 * 2**20


def test_value_with_a_schema_id_names_the_setting_of_the_registry():
    error = rejected(ChatRequest, b"\0\0\0\0\1\2a").error
    assert (error.code, error.fields[0].field) == ("unreadable", "value")
    assert "needs CARTEIRO_SCHEMA_REGISTRY_URL" in error.message


def test_byte_order_mark_before_the_json_is_skipped():
    body = b"\xef\xbb\xbf" + json.dumps(CHAT).encode()
    assert read_request(ChatRequest, read_envelope(FakeRecord(value=body))).messages[0].content == "Hi"
    event = b"\xef\xbb\xbf" + json.dumps({"specversion": "1.0", "id": "1", "data": CHAT}).encode()
    headers = (("content-type", b"application/cloudevents+json"),)
    assert read_request(ChatRequest, read_envelope(FakeRecord(value=event, headers=headers)))


@pytest.mark.parametrize(
    "options",
    [
        f'{{"max_output_tokens": {10**400}}}',
        '{"max_output_tokens": -1}',
        '{"max_output_tokens": 1.5}',
        '{"temperature": NaN}',
        '{"temperature": Infinity}',
        '{"temperature": 1e999}',
        '{"seed": -1}',
        f'{{"seed": {10**400}}}',
        '{"wait": "0s"}',
        '{"wait": "9999999d"}',
        f'{{"model": "{"x" * 5000}"}}',
    ],
)
def test_number_out_of_range_is_an_invalid_request(options):
    body = b'{"messages": [{"role": "user", "content": "Hi"}], "options": %s}' % options.encode()
    error = rejected(ChatRequest, body).error
    assert error.code == "invalid_request"
    assert len(error.message) < 600


async def test_large_request_is_parsed():
    body = json.dumps({"text": "word " * 100_000}).encode()
    request = await parse_request(SummarizeRequest, read_envelope(FakeRecord(value=body)))
    assert len(request.text) == 500_000
