"""The text of an answer, in the forms of different servers."""

import contextlib
import json

import pytest

from carteiro.models.cloud.streaming import ACCUMULATORS
from carteiro.models.errors import ModelError, Refused
from tests.unit.models.cloud.nonstandard_responses import (
    PROMPT,
    answer_with,
    complete_both_ways,
    complete_streamed,
    event_bytes,
    full_answer,
    stream_chunks,
)

pytestmark = pytest.mark.timeout(60)

CONTENTS = [
    "Lisbon.",
    [{"type": "text", "text": "Lis"}, {"type": "text", "text": "bon."}],
    [{"type": "output_text", "text": "Lisbon."}],
    ["Lis", "bon."],
    [{"text": "Lisbon."}],
    [None, {"type": "text", "text": "Lisbon."}, {"type": "image_url", "image_url": {"url": "x"}}, 5],
    {"type": "text", "text": "Lisbon."},
    {"text": "Lisbon."},
    {"type": "text", "text": {"value": "Lisbon.", "annotations": []}},
    [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, {"type": "text", "text": "Lisbon."}],
    [{"type": "thinking", "thinking": "Hm.", "signature": "x"}, {"type": "text", "text": "Lisbon."}],
    [{"type": "reasoning", "text": "Hm."}, {"type": "text", "text": "Lisbon."}],
]


@pytest.mark.parametrize("content", CONTENTS, ids=repr)
@pytest.mark.parametrize("api", ["chat", "responses"], indirect=True)
async def test_content_in_parts(provider, api, model, content):
    one = full_answer(api, content)
    if api == "responses":
        one["output"][0]["content"] = content
        several = [{"type": "response.completed", "response": one}]
        provider._next.append(answer_with(json.dumps(one).encode()))
        done = [await model.complete(PROMPT)]
        provider._next.append(answer_with(event_bytes(several)))
        done.append(await model.stream(PROMPT, lambda text: None))
    else:
        done = await complete_both_ways(provider, model, one, stream_chunks(api, [{"content": content}]))
    for completion in done:
        assert completion.text == "Lisbon."
        assert completion.reasoning == ("Hm." if "Hm." in repr(content) else None)


@pytest.mark.parametrize("api", ["chat"], indirect=True)
async def test_refusal_in_a_part(provider, api, model):
    content = [{"type": "refusal", "refusal": "No."}]
    provider._next.append(answer_with(json.dumps(full_answer(api, content)).encode()))
    with pytest.raises(Refused):
        await model.complete(PROMPT)
    provider._next.append(answer_with(event_bytes(stream_chunks(api, [{"content": content}]))))
    with pytest.raises(Refused):
        await complete_streamed(model)


@pytest.mark.parametrize("api", ["chat"], indirect=True)
async def test_data_in_place_of_json_text(provider, api, model):
    provider._next.append(answer_with(json.dumps(full_answer(api, {"sentiment": "positive"})).encode()))
    assert json.loads((await model.complete(PROMPT)).text) == {"sentiment": "positive"}


@pytest.mark.parametrize("api", ["chat"], indirect=True)
async def test_text_of_the_old_api_in_the_new_one(provider, api, model):
    for completion in await complete_both_ways(
        provider, model, full_answer("completions", "Lisbon."), stream_chunks("completions", ["Lis", "bon."])
    ):
        assert completion.text == "Lisbon."


def nested(make, depth=900):
    found = make("x")
    for _ in range(depth):
        found = make(found)
    return found


NESTED = [
    lambda inner: [inner],
    lambda inner: {"type": "thinking", "thinking": inner},
    lambda inner: {"text": inner},
    lambda inner: {"a": inner},
    lambda inner: {"type": "refusal", "refusal": inner},
    lambda inner: {"content_filter_results": inner},
]


@pytest.mark.parametrize("make", NESTED)
def test_deep_nesting_does_not_raise(model, api, make):
    deep = nested(make)
    one = full_answer(api, "Lisbon.")
    for holder in (one, one["choices"][0] if "choices" in one else one["output"][0]):
        for name in (
            "usage",
            "reasoning",
            "content_filter_results",
            "promptFeedback",
            "status",
            "finish_reason",
            "error",
        ):
            ACCUMULATORS[api]().add({**holder, name: deep})
    for name in ("reasoning", "reasoning_details", "refusal", "content"):
        more = full_answer(api, deep) if name == "content" else full_answer(api, "Lisbon.", **{name: deep})
        with contextlib.suppress(ModelError):
            model.completion(more, PROMPT)
    assert model.completion(one | {"usage": deep}, PROMPT).text == "Lisbon."
