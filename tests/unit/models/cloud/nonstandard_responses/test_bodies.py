"""Complete answers with bytes that are not quite JSON."""

import json

import pytest

from tests.unit.models.cloud.nonstandard_responses import (
    PROMPT,
    answer_with,
    complete_both_ways,
    event_bytes,
    full_answer,
    stream_chunks,
)

pytestmark = pytest.mark.timeout(60)


async def test_stream_in_place_of_a_plain_body(provider, api, model):
    provider._next.append(answer_with(event_bytes(stream_chunks(api, ["Lis", "bon."]))))
    assert (await model.complete(PROMPT)).text == "Lisbon."


async def test_half_a_character_is_replaced(provider, api, model):
    provider._next.append(answer_with(json.dumps(full_answer(api, "a\ud83d b")).encode()))
    assert (await model.complete(PROMPT)).text == "a\ufffd b"


async def test_whole_body_in_odd_forms(provider, api, model):
    sent = json.dumps(full_answer(api, "Ol\u00e1.", logprobs=float("nan")), ensure_ascii=False).encode()
    for odd in (b"\xef\xbb\xbf" + sent, sent + b" \r\n\n", b"\n\n" + sent, b"[" + sent + b"]"):
        provider._next.append(answer_with(odd, content_type="application/json"))
        assert (await model.complete(PROMPT)).text == "Ol\u00e1."


async def test_bytes_that_are_no_utf8_are_replaced(provider, api, model):
    for completion in await complete_both_ways(
        provider, model, full_answer(api, "Ol\udce1."), stream_chunks(api, ["Ol", "\udce1."])
    ):
        assert completion.text == "Ol\ufffd."
    sent = json.dumps(full_answer(api, "Ol\u00e1."), ensure_ascii=False).encode("latin-1")
    provider._next.append(answer_with(sent))
    assert (await model.complete(PROMPT)).text == "Ol\ufffd."
