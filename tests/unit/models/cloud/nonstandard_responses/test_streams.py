"""Streams in odd forms with pieces that still make an answer."""

import asyncio
import json

import pytest

from carteiro.models.cloud import event_stream
from tests.unit.models.cloud.nonstandard_responses import (
    PROMPT,
    USAGE,
    answer_with,
    complete_streamed,
    event_bytes,
    full_answer,
    stream_chunks,
)

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize("api", ["chat", "completions"], indirect=True)
async def test_holes_in_a_stream(provider, api, model):
    name = "text" if api == "completions" else "delta"
    holes = [
        {"choices": None, "usage": None},
        {"usage": None},
        {},
        {"choices": []},
        {"choices": [None]},
        {"choices": [{"index": 0}]},
        {"choices": [{"index": 0, name: None, "finish_reason": None}]},
        {"choices": [{"delta": {"role": "assistant", "content": None}}]},
        {"choices": [{"message": None, "text": None}]},
        {"choices": 5},
        {"object": "chat.completion.chunk", "choices": [{"delta": "", "logprobs": None}]},
    ]
    sent = [
        *holes,
        *stream_chunks(api, ["Lis"])[:1],
        *holes,
        *stream_chunks(api, ["bon."])[:2],
        {"usage": USAGE, "choices": None},
    ]
    provider._next.append(answer_with(event_bytes(sent)))
    completion = await complete_streamed(model)
    assert (completion.text, completion.usage.output_tokens) == ("Lisbon.", 20)


@pytest.mark.parametrize("api", ["chat"], indirect=True)
async def test_whole_message_at_the_end_of_a_stream_is_no_repetition(provider, api, model):
    sent = [*stream_chunks(api, ["Lis", "bon."])[:2], full_answer(api, "Lisbon.")]
    provider._next.append(answer_with(event_bytes(sent)))
    assert (await complete_streamed(model)).text == "Lisbon."


# Streams as bytes. `P` stands for the pieces of an answer.


def _lines(sent, end=b"\n"):
    return b"".join(b"data: " + json.dumps(each).encode() + end + end for each in sent)


WIRES = {
    "retry": lambda p: b"retry: 3000\n\n" + event_bytes(p),
    "ping": lambda p: (
        b'event: ping\ndata: {"type": "ping"}\n\n'
        + event_bytes(p[:2])[:-14]
        + b"event: ping\ndata:\n\n"
        + event_bytes(p[2:])
    ),
    "empty data": lambda p: b"data:\n\ndata: \n\n" + event_bytes(p),
    "comments": lambda p: b": OPENROUTER PROCESSING\n\n" + event_bytes(p).replace(b"\n\n", b"\n: keep-alive\n\n"),
    "CRLF": lambda p: _lines(p, b"\r\n"),
    "CR": lambda p: _lines(p, b"\r"),
    "no space": lambda p: event_bytes(p).replace(b"data: ", b"data:"),
    "no end": lambda p: event_bytes(p, done=False),
    "no blank line at the end": lambda p: event_bytes(p, done=False).rstrip(),
    "byte order mark": lambda p: b"\xef\xbb\xbf" + event_bytes(p),
    "malformed": lambda p: b"<garbage>\n\ndata: {nonsense\n\n\xff\xfe\n" + event_bytes(p),
    "JSON on each line": lambda p: b"".join(json.dumps(each).encode() + b"\n" for each in p),
    "a list": lambda p: json.dumps(p).encode(),
}


@pytest.mark.parametrize("wire", WIRES)
async def test_stream_in_odd_forms(provider, api, model, wire):
    provider._next.append(answer_with(WIRES[wire](stream_chunks(api, ["Lis", "bon ", "\u20ac."]))))
    completion = await complete_streamed(model)
    assert (completion.text, completion.usage.output_tokens) == ("Lisbon \u20ac.", 20)


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", None])
@pytest.mark.parametrize("indent", [None, 2])
async def test_plain_body_in_place_of_a_stream(provider, api, model, content_type, indent):
    provider._next.append(
        answer_with(json.dumps(full_answer(api, "Lisbon."), indent=indent).encode(), content_type=content_type)
    )
    completion = await complete_streamed(model)
    assert (completion.text, completion.usage.output_tokens) == ("Lisbon.", 20)


async def test_characters_in_two_halves(provider, api, model):
    sent = event_bytes(stream_chunks(api, ["a \U0001f600 b"]))
    whole_text = json.dumps("a \U0001f600 b")[1:-1].encode()
    first, second = b"a \\ud83d", b"\\ude00 b"
    assert whole_text == first + second
    begin, middle, end = sent.partition(b"\n\n")
    if api == "responses":
        begin, _, end = sent.partition(b"\n\n")
        piece, _, end = end.partition(b"\n\n")
        begin += b"\n\n"
    else:
        piece, begin = begin, b""
    halves = piece.replace(whole_text, first) + middle + piece.replace(whole_text, second) + middle
    provider._next.append(answer_with(begin + halves + end))
    assert (await complete_streamed(model)).text == "a \U0001f600 b"
    raw = (begin + piece + middle + end).replace(whole_text, "a \U0001f600 b".encode())
    provider._next.append(answer_with(*(raw[at : at + 7] for at in range(0, len(raw), 7))))
    assert (await complete_streamed(model)).text == "a \U0001f600 b"


async def test_connection_that_stays_open_after_the_answer(provider, api, model, monkeypatch):
    monkeypatch.setattr(event_stream, "_LINGER_SECONDS", 0.1)

    async def answer(request, request_body):
        response = await answer_with(event_bytes(stream_chunks(api, ["Lis", "bon."]), done=False))(
            request, request_body
        )
        await asyncio.Event().wait()
        return response

    provider._next.append(answer)
    assert (await complete_streamed(model)).text == "Lisbon."


@pytest.mark.parametrize("api", ["chat", "completions"], indirect=True)
@pytest.mark.parametrize("reason", ["null", "stop"])
async def test_finish_reason_with_each_piece_ends_nothing(provider, api, model, monkeypatch, reason):
    monkeypatch.setattr(event_stream, "_LINGER_SECONDS", 1.0)
    sent = stream_chunks(api, [*"Lisbon", "."])
    for piece in sent[:-1]:
        piece["choices"][0].setdefault("finish_reason", reason)

    async def answer(request, request_body):
        response = await answer_with()(request, request_body)
        for piece in sent:
            await response.write(event_bytes([piece], done=False))
            await asyncio.sleep(0.2)  # All pauses together are longer than the stream lingers.
        return response

    provider._next.append(answer)
    assert (await complete_streamed(model)).text == "Lisbon."


async def test_connection_that_breaks_after_the_answer(provider, api, model):
    async def answer(request, request_body):
        response = await answer_with(event_bytes(stream_chunks(api, ["Lis", "bon."])))(request, request_body)
        request.transport.abort()
        return response

    provider._next.append(answer)
    assert (await complete_streamed(model)).text == "Lisbon."


async def test_failure_after_the_answer_in_a_stream_nobody_asked_for(provider, api, model):
    sent = event_bytes(
        [*stream_chunks(api, ["Lis", "bon."]), {"error": {"message": "bookkeeping failed", "code": 500}}]
    )
    provider._next.append(answer_with(sent))
    assert (await model.complete(PROMPT)).text == "Lisbon."
