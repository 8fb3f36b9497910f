"""Streams on a real broker: what a client sees, what stands on the topic, and what a failure half-way leaves."""

import json
import uuid

from carteiro.client import Carteiro, ReplyError
from tests.broker.peer import Peer
from tests.conftest import eventually
from tests.provider import Provider
from tests.provider.completions import complete
from tests.provider.streams import begin, pieces, write

REQUESTS = "llm.generate.requests"
TEXT = "one two three four five six"


async def test_a_client_sees_pieces_and_then_the_whole(carteiro: Carteiro):
    seen = [piece async for piece in carteiro.generate(TEXT, stream=True)]
    *partial, whole = seen
    assert partial
    assert {piece.status for piece in partial} == {"partial"}
    assert [piece.seq for piece in partial] == list(range(len(partial)))
    assert "".join(piece.text for piece in partial) == whole.result.text == TEXT
    assert whole.usage.output_tokens == 6


async def test_the_same_call_can_be_awaited(carteiro: Carteiro):
    assert (await carteiro.generate(TEXT, stream=True)).result.text == TEXT


async def test_a_task_that_does_not_stream_gives_the_whole(carteiro: Carteiro):
    assert [piece.status async for piece in carteiro.sentiment("Good.", stream=True)] == ["ok"]


async def records_of(peer: Peer, body: dict, key: bytes | None = None):
    name = uuid.uuid4().hex.encode()
    await peer.send(REQUESTS, json.dumps(body).encode(), [("correlation_id", name)], key)

    def found():
        return [record for record in peer.records if ("correlation_id", name) in record.headers]

    await eventually(lambda: any(dict(record.headers).get("final", b"true") == b"true" for record in found()))
    return found()


async def test_pieces_and_reply_stand_in_order_on_one_partition(peer: Peer):
    for key in (None, b"k"):
        records = await records_of(peer, {"prompt": TEXT, "options": {"stream": True}}, key)
        assert len({record.partition for record in records}) == 1
        assert {record.key for record in records} == {key}
        headers = [dict(record.headers) for record in records]
        assert [header["final"] for header in headers] == [b"false"] * (len(records) - 1) + [b"true"]
        assert [header["seq"] for header in headers] == [str(number).encode() for number in range(len(records))]
        assert json.loads(records[-1].value)["result"]["text"] == TEXT


async def test_without_the_option_there_are_no_such_headers(peer: Peer):
    (record,) = await records_of(peer, {"prompt": TEXT})
    assert not {"seq", "final"} & dict(record.headers).keys()


async def broken(request, body):
    response = await begin(request)
    for piece in list(pieces(body, complete(body)))[:3]:
        await write(response, piece)
    request.transport.abort()
    return response


async def test_a_try_that_breaks_off_is_void_and_the_next_begins_anew(carteiro: Carteiro, provider: Provider):
    provider._next.append(broken)
    *partial, whole = [piece async for piece in carteiro.generate(TEXT, stream=True)]
    assert whole.result.text == TEXT
    last = [piece for piece in partial if piece.attempt == partial[-1].attempt]
    assert "".join(piece.text for piece in last) == TEXT
    assert last[0].seq == 0


async def test_a_failure_half_way_ends_with_an_error_reply(peer: Peer, provider: Provider):
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


async def test_the_client_raises_what_the_error_reply_says(carteiro: Carteiro, provider: Provider):
    provider.next("filter-prompt")
    try:
        async for _ in carteiro.generate(TEXT, stream=True):
            raise AssertionError("nothing was written")
    except ReplyError as error:
        assert error.code == "content_filtered"  # noqa: PT017
    else:
        raise AssertionError
