"""Counts, indexes of choices and broken connections around an answer: none of them costs the answer, and no usage is
counted as 0.
"""

import asyncio
import json

import pytest
from aiohttp import web

from carteiro.models.cloud import event_stream
from carteiro.models.errors import ContentFiltered, Unavailable, Unsupported
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

ZEROS = dict.fromkeys(USAGE, 0)


def chunk(text=None, reason=None, **more):
    return {
        "choices": [{"index": 0, "delta": {} if text is None else {"content": text}, "finish_reason": reason}],
        **more,
    }


async def test_answer_whose_usage_is_all_zeros_is_counted_by_its_text(provider, api, model):
    provider._next.append(answer_with(json.dumps(full_answer(api, "Lisbon.", usage=ZEROS)).encode()))
    provider._next.append(answer_with(event_bytes(stream_chunks(api, ["Lis", "bon."], usage=ZEROS))))
    for completion in (await model.complete(PROMPT), await complete_streamed(model)):
        assert completion.usage.input_tokens > 0
        assert completion.usage.output_tokens > 0


@pytest.mark.parametrize("api", ["chat", "completions"], indirect=True)
async def test_zeros_do_not_replace_the_usage_before_them(provider, api, model):
    sent = [*stream_chunks(api, ["Lisbon."]), {"choices": [], "usage": ZEROS}]
    provider._next.append(answer_with(event_bytes(sent)))
    assert (await complete_streamed(model)).usage.output_tokens == 20


@pytest.mark.parametrize("field", ["choice", "x_groq"])
@pytest.mark.parametrize("api", ["chat"], indirect=True)
async def test_usage_in_other_fields_counts(provider, model, field):
    last, one = chunk(reason="stop"), full_answer("chat", "Lisbon.", usage=None)
    for answer in (last, one):
        (answer["choices"][0] if field == "choice" else answer.setdefault("x_groq", {}))["usage"] = USAGE
    provider._next += [answer_with(event_bytes([chunk("Lisbon."), last])), answer_with(json.dumps(one).encode())]
    for completion in (await complete_streamed(model), await model.complete(PROMPT)):
        assert (completion.usage.input_tokens, completion.usage.output_tokens) == (3, 20)


async def test_error_after_the_end_of_an_answer_costs_nothing(provider, api, model):
    failed = {"error": {"message": "The usage could not be stored", "code": 500}}
    provider._next.append(answer_with(event_bytes([*stream_chunks(api, ["Lis", "bon."]), failed])))
    assert (await complete_streamed(model)).text == "Lisbon."


async def test_error_before_the_end_is_a_failure(provider, api, model):
    failed = {"error": {"message": "The worker died", "code": 500}}
    provider._next.append(answer_with(event_bytes([*stream_chunks(api, ["Lis", "bon."])[:2], failed])))
    with pytest.raises(Unavailable):
        await model.stream(PROMPT, lambda text: None)


@pytest.mark.parametrize("api", ["chat"], indirect=True)
async def test_usage_before_the_text_ends_nothing(provider, model, monkeypatch):
    monkeypatch.setattr(event_stream, "_LINGER_SECONDS", 0.1)

    async def answer(request, request_body):
        response = await answer_with(event_bytes([{"choices": [], "usage": USAGE}], done=False))(request, request_body)
        await asyncio.sleep(0.5)  # The pause is longer than the stream lingers.
        await response.write(event_bytes([chunk("Lisbon."), chunk(reason="stop")]))
        return response

    provider._next.append(answer)
    assert (await complete_streamed(model)).text == "Lisbon."


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("api", ["chat", "completions"], indirect=True)
async def test_other_choices_are_not_mixed_into_the_first(provider, api, model, together):
    first, other = stream_chunks(api, ["Lis", "bon."]), stream_chunks(api, ["Par", "is."])
    sent = []
    for one, two in zip(first[:-1], other[:-1], strict=True):
        two["choices"][0]["index"] = 1
        sent += [{"choices": one["choices"] + two["choices"]}] if together else [one, two]
    provider._next.append(answer_with(event_bytes([*sent, first[-1]])))
    assert (await complete_streamed(model)).text == "Lisbon."


@pytest.mark.parametrize("texts", [["Lis", "Lisbon."], ["Lis", "Lis", "Lisbon."]])
@pytest.mark.parametrize("api", ["chat"], indirect=True)
async def test_messages_that_grow_are_one_answer(provider, model, texts):
    sent = [{"choices": [{"message": {"content": text, "reasoning": "Hm."}}]} for text in texts]
    provider._next.append(answer_with(event_bytes([*sent, chunk(reason="stop")])))
    completion = await complete_streamed(model)
    assert (completion.text, completion.reasoning) == ("Lisbon.", "Hm.")


@pytest.mark.parametrize("api", ["chat"], indirect=True)
async def test_messages_of_ollamas_own_api_are_pieces(provider, model):
    sent = [{"message": {"content": text}, "done": False} for text in ("ha", "ha")]
    sent.append({"message": {"content": ""}, "done": True, "done_reason": "stop"})
    provider._next.append(answer_with("\n".join(map(json.dumps, sent)).encode()))
    assert (await complete_streamed(model)).text == "haha"


def broken(body):
    """Return a handler whose connection breaks before all announced bytes have come."""

    async def answer(request, request_body):
        request.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n" + body)
        request.transport.close()
        return await answer_with()(request, request_body)

    return answer


async def test_connection_that_breaks_after_a_whole_body(provider, api, model):
    provider._next.append(broken(json.dumps(full_answer(api, "Lisbon.")).encode()))
    assert (await model.complete(PROMPT)).text == "Lisbon."


async def test_incomplete_body_is_a_failure(provider, api, model):
    provider._next.append(broken(json.dumps(full_answer(api, "Lisbon.")).encode()[:-3]))
    with pytest.raises(Unavailable):
        await model.complete(PROMPT)


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("end", [b"\\ud83d", b"\xe1", b"\\u0000\\u001b[31m"])
async def test_refusal_with_invalid_text_can_be_encoded(provider, api, model, status, end):
    async def answer(request, request_body):
        sent = b'{"error":{"message":"Unsupported parameter: seed %s","code":400}}' % end
        return web.Response(status=status, body=sent, content_type="application/json")

    provider._next.append(answer)
    with pytest.raises(Unsupported) as refused:
        await model.complete(PROMPT)
    assert refused.value.message.encode().decode().isprintable()


@pytest.mark.parametrize("api", ["chat", "completions"], indirect=True)
async def test_completion_that_a_filter_stopped_without_a_usage_is_billed_by_its_prompt(provider, api, model):
    provider._next.append(answer_with(json.dumps(full_answer(api, "", "content_filter", usage=None)).encode()))
    provider._next.append(answer_with(event_bytes(stream_chunks(api, [""], "content_filter", usage=None))))
    for call in (model.complete(PROMPT), model.stream(PROMPT, lambda text: None)):
        with pytest.raises(ContentFiltered) as filtered:
            await call
        assert filtered.value.usage is not None
        assert filtered.value.usage.input_tokens > 0
