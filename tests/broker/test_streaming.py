"""Streams on a real broker: the client's view, the records on the topic, and a failure in the middle."""

import json
import uuid

from carteiro.client import Carteiro, ReplyError
from carteiro.schemas import Options
from carteiro.schemas.generate import GenerateRequest
from tests.broker.raw_kafka_client import RawKafkaClient
from tests.conftest import eventually
from tests.provider import Provider
from tests.provider.completions import complete
from tests.provider.streams import begin, pieces, write

REQUESTS = "llm.generate.requests"
TEXT = "one two three four five six"


async def test_client_sees_chunks_and_then_the_whole(carteiro: Carteiro):
    seen = [piece async for piece in carteiro.stream.generate(TEXT)]
    *partial, whole = seen
    assert partial
    assert {piece.status for piece in partial} == {"partial"}
    assert [piece.seq for piece in partial] == list(range(len(partial)))
    assert "".join(piece.text for piece in partial) == whole.result.text == TEXT
    assert whole.usage.output_tokens == 6


async def test_streamed_request_can_be_awaited(carteiro: Carteiro):
    assert (await carteiro.ask(GenerateRequest(prompt=TEXT, options=Options(stream=True)))).result.text == TEXT


async def test_task_without_streaming_gives_the_whole(carteiro: Carteiro):
    assert [piece.status async for piece in carteiro.stream.sentiment("Good.")] == ["ok"]


async def records_of(peer: RawKafkaClient, body: dict, key: bytes | None = None):
    name = uuid.uuid4().hex.encode()
    await peer.send(REQUESTS, json.dumps(body).encode(), [("correlation_id", name)], key)

    def found():
        return [record for record in peer.records if ("correlation_id", name) in record.headers]

    await eventually(lambda: any(dict(record.headers).get("final", b"true") == b"true" for record in found()))
    return found()


async def test_chunks_and_reply_are_in_order_on_one_partition(peer: RawKafkaClient):
    for key in (None, b"k"):
        records = await records_of(peer, {"prompt": TEXT, "options": {"stream": True}}, key)
        assert len({record.partition for record in records}) == 1
        assert {record.key for record in records} == {key}
        headers = [dict(record.headers) for record in records]
        assert [header["final"] for header in headers] == [b"false"] * (len(records) - 1) + [b"true"]
        assert [header["seq"] for header in headers] == [str(number).encode() for number in range(len(records))]
        assert json.loads(records[-1].value)["result"]["text"] == TEXT


async def test_request_without_the_option_has_no_stream_headers(peer: RawKafkaClient):
    (record,) = await records_of(peer, {"prompt": TEXT})
    assert not {"seq", "final"} & dict(record.headers).keys()


async def broken(request, body):
    response = await begin(request)
    for piece in list(pieces(body, complete(body)))[:3]:
        await write(response, piece)
    request.transport.abort()
    return response


async def test_broken_try_is_void_and_the_next_starts_over(carteiro: Carteiro, provider: Provider):
    provider._next.append(broken)
    *partial, whole = [piece async for piece in carteiro.stream.generate(TEXT)]
    assert whole.result.text == TEXT
    last = [piece for piece in partial if piece.attempt == partial[-1].attempt]
    assert "".join(piece.text for piece in last) == TEXT
    assert last[0].seq == 0


async def test_failure_in_the_middle_ends_with_an_error_reply(peer: RawKafkaClient, provider: Provider):
    async def filtered(request, body):
        response = await begin(request)
        events = list(pieces(body, complete(body)))
        events[-2]["choices"][0]["finish_reason"] = "content_filter"
        for event in events:
            await write(response, event)
        return response

    provider._next.append(filtered)
    *_, last = await records_of(peer, {"prompt": TEXT, "options": {"stream": True}})
    assert json.loads(last.value)["error"]["code"] == "content_filtered"


async def test_client_raises_the_error_of_the_reply(carteiro: Carteiro, provider: Provider):
    provider.next("filter-prompt")
    try:
        async for _ in carteiro.stream.generate(TEXT):
            raise AssertionError("nothing was written")
    except ReplyError as error:
        assert error.code == "content_filtered"  # noqa: PT017
    else:
        raise AssertionError
