"""Streamed answers of each API: their pieces together are the answer without streaming."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.models.cloud.client import CloudModel
from carteiro.models.errors import ContentFiltered, Misconfigured, RateLimited, Refused, Unavailable
from carteiro.models.interface import StreamingModel
from carteiro.models.prompt import Message, Prompt
from carteiro.models.stop_sequences import StopSequenceFilter
from tests.provider.streams import begin, pieces, write
from tests.unit.models.cloud.cloud_models import endpoint

pytestmark = pytest.mark.timeout(60)

PROMPT = Prompt(messages=[Message("user", "one two three")])


@pytest.fixture(params=["chat", "responses", "completions"])
async def model(request, provider):
    running = CloudModel("openai:echo", endpoint(provider.url, api=request.param), timeout=5)
    yield running
    await running.close()


async def streamed(model, prompt=PROMPT):
    received = []
    return await model.stream(prompt, received.append), received


async def test_pieces_together_are_the_answer(provider, model):
    assert isinstance(model, StreamingModel)
    whole = await model.complete(PROMPT)
    completion, received = await streamed(model)
    assert completion == whole
    assert "".join(received) == whole.text
    assert len(received) > 1
    first, second = (each.body for each in provider.requests)
    extra = {name: second[name] for name in second.keys() - first.keys()}
    assert extra.pop("stream_options", {"include_usage": True}) == {"include_usage": True}
    assert extra == {"stream": True}
    assert {name: second[name] for name in first} == first


async def test_piece_is_passed_on_at_once(provider, model):
    """The provider waits in the middle until the first word has arrived."""
    seen, go_on = asyncio.Event(), asyncio.Event()

    async def answer(request, body):
        response = await begin(request)
        for number, piece in enumerate(pieces(body, _whole(model, "one two"))):
            if number == 3:
                await go_on.wait()
            await write(response, piece)
        return response

    provider._next.append(answer)
    received = []

    def say(text):
        received.append(text)
        seen.set()

    asking = asyncio.create_task(model.stream(PROMPT, say))
    await seen.wait()
    assert received[0] == "one"
    assert not asking.done()
    go_on.set()
    assert (await asking).text == "one two"


def _whole(model, text, finish="stop", **message):
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "input_tokens": 1, "output_tokens": 2}
    match model._endpoint.api:
        case "chat":
            choice = {"message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}
        case "completions":
            choice = {"text": text, "finish_reason": finish}
        case _:
            content = [{"type": "output_text", "text": text}]
            output = [{"type": "message", "content": content}]
            return {"id": "r", "status": "completed", "output": output, "usage": usage}
    return {"id": "c", "object": "o", "created": 1, "model": "echo", "choices": [choice], "usage": usage}


@pytest.mark.parametrize(("fault", "kind"), [("429", RateLimited), ("500", Unavailable), ("401", Misconfigured)])
async def test_refused_stream_fails_as_any_other_call(provider, model, fault, kind):
    provider.next(fault, fault)
    with pytest.raises(kind):
        await streamed(model)


async def half(request, body, model, *last):
    response = await begin(request)
    for piece in list(pieces(body, _whole(model, "one two three")))[:3]:
        await write(response, piece)
    for line in last:
        await response.write(line)
    return response


async def test_stream_without_an_end_event_is_unavailable(provider, model):
    provider._next.append(lambda request, body: half(request, body, model))
    with pytest.raises(Unavailable):
        await streamed(model)


async def test_broken_connection_is_unavailable(provider, model):
    async def broken(request, body):
        response = await half(request, body, model)
        request.transport.abort()
        return response

    provider._next.append(broken)
    with pytest.raises(Unavailable):
        await streamed(model)


@pytest.mark.parametrize("line", [b"data: {nonsense\n\n", b"data: [1]\n\n", b'data: {"choices": 5}\n\n'])
async def test_invalid_text_in_a_stream_is_unavailable(provider, model, line):
    provider._next.append(lambda request, body: half(request, body, model, line))
    with pytest.raises(Unavailable):
        await streamed(model)


async def test_an_error_in_a_stream_is_a_failure(provider, model):
    error = {"type": "error", "error": {"message": "overloaded"}, "code": "server_error", "message": "overloaded"}
    line = f"event: error\ndata: {json.dumps(error)}\n\n".encode()
    provider._next.append(lambda request, body: half(request, body, model, line))
    with pytest.raises(Unavailable):
        await streamed(model)


async def test_a_stream_that_hangs_ends_with_the_timeout(provider, model):
    async def hang(request, body):
        await half(request, body, model)
        await asyncio.Event().wait()

    model._connection.timeout = 0.3
    provider._next.append(hang)
    with pytest.raises(Unavailable, match=r"within 0.3 s"):
        await streamed(model)


@pytest.mark.parametrize("model", ["chat"], indirect=True)
@pytest.mark.parametrize(
    ("delta", "finish", "kind"),
    [({"refusal": "No."}, "stop", Refused), ({"content": "The"}, "content_filter", ContentFiltered)],
)
async def test_refusals_and_filters_are_distinguished(provider, model, delta, finish, kind):
    async def answer(request, body):
        response = await begin(request)
        await write(response, {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
        return response

    provider._next.append(answer)
    with pytest.raises(kind):
        await streamed(model)


@pytest.mark.parametrize("model", ["chat"], indirect=True)
async def test_azures_first_event_has_no_choices(provider, model):
    async def answer(request, body):
        response = await begin(request)
        await write(response, {"choices": [], "prompt_filter_results": [{"prompt_index": 0}]})
        for piece in pieces(body, _whole(model, "one two")):
            await write(response, piece)
        return response

    provider._next.append(answer)
    assert (await streamed(model))[0].text == "one two"


async def test_a_stop_text_is_not_shown(provider, model):
    """Some servers leave it in, and the Responses API does not know stop sequences."""

    async def answer(request, body):
        response = await begin(request)
        for piece in pieces(body, _whole(model, "one STO two ST OP three")):
            await write(response, piece)
        return response

    provider._next.append(answer)
    completion, received = await streamed(model, Prompt(messages=PROMPT.messages, stop=["ST OP"]))
    assert "".join(received) == completion.text == "one STO two "


async def test_cancelled_stream_closes_the_connection(provider, model):
    begun = asyncio.Event()

    async def hang(request, body):
        await half(request, body, model)
        begun.set()
        await asyncio.Event().wait()

    provider._next.append(hang)
    asking = asyncio.create_task(model.stream(PROMPT, lambda text: None))
    await begun.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    while not provider.requests[0].abandoned:
        await asyncio.sleep(0.01)


@given(st.text("abS", max_size=30), st.lists(st.text("abS", min_size=1, max_size=4), max_size=3), st.data())
def test_streamed_text_ends_before_the_first_stop_sequence(text, stops, data):
    shown, rest, until = "", text, StopSequenceFilter(stops)
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        shown += until.add(rest[:size])
        assert not any(stop in shown for stop in stops)
        rest = rest[size:]
    shown += until.end()
    ends = [at for stop in stops if (at := text.find(stop)) >= 0]
    assert shown == (text[: min(ends)] if ends else text) or len(stops) > 1
