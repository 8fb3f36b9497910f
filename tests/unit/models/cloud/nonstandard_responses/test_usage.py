"""Token counts in the odd forms of real servers."""

import json

import pytest

from tests.unit.models.cloud.nonstandard_responses import (
    PROMPT,
    USAGE,
    answer_with,
    complete_both_ways,
    full_answer,
    stream_chunks,
)

pytestmark = pytest.mark.timeout(60)

# The values are: the server's usage, the prompt's tokens, and the completion's tokens; None for an estimate.
USAGES = [
    ({"prompt_tokens": "3", "completion_tokens": "20"}, 3, 20),
    ({"prompt_tokens": 3.0, "completion_tokens": "20.0"}, 3, 20),
    ({"prompt_tokens": 2.5, "completion_tokens": 19.5}, 3, 20),
    ({"prompt_tokens": -1, "completion_tokens": 20}, 0, 20),
    ({"prompt_tokens": 3, "completion_tokens": [20]}, 3, 0),
    ({"prompt_tokens": 3, "completion_tokens": None, "total_tokens": 23}, 3, 20),
    ({"prompt_tokens": None, "completion_tokens": 20, "total_tokens": 23}, 3, 20),
    ({"prompt_tokens": 10**30, "completion_tokens": 20}, 0, 20),
    ({"prompt_tokens": 3, "completion_tokens": 20, "completion_tokens_details": "none"}, 3, 20),
    ({"prompt_tokens": 3, "completion_tokens": 20, "prompt_tokens_details": [{"cached_tokens": 1}]}, 3, 20),
    ({"input_tokens": 3, "output_tokens": 20}, 3, 20),
    ([{"prompt_tokens": 3, "completion_tokens": 20}], 3, 20),
    ({"prompt_tokens": float("nan"), "completion_tokens": float("inf")}, None, None),
    ({"prompt_tokens": {}, "completion_tokens": True}, None, None),
    ({"prompt_tokens": 10**400, "completion_tokens": "many"}, None, None),
    ("12 tokens", None, None),
    (12, None, None),
    ([], None, None),
    ([1, None], None, None),
    ({}, None, None),
    (None, None, None),
]


@pytest.mark.parametrize(("usage", "prompt", "written"), USAGES, ids=[repr(each[0])[:60] for each in USAGES])
async def test_usage_is_counted_as_far_as_it_can_be_read(provider, api, model, usage, prompt, written):
    for completion in await complete_both_ways(
        provider, model, full_answer(api, "Lisbon.", usage=usage), stream_chunks(api, ["Lis", "bon."], usage=usage)
    ):
        assert completion.text == "Lisbon."
        if prompt is None:
            assert completion.usage.input_tokens > 0
            assert completion.usage.output_tokens > 0
        else:
            assert (completion.usage.input_tokens, completion.usage.output_tokens) == (prompt, written)


@pytest.mark.parametrize(
    "details",
    [{"reasoning_tokens": 10**6}, {"reasoning_tokens": "5.5"}, {"reasoning_tokens": -3}, {"reasoning_tokens": []}],
)
@pytest.mark.parametrize("api", ["chat"], indirect=True)
async def test_parts_of_a_usage_are_no_more_than_the_whole(provider, api, model, details):
    usage = USAGE | {"completion_tokens_details": details, "prompt_tokens_details": {"cached_tokens": 99}}
    provider._next.append(answer_with(json.dumps(full_answer(api, "Lisbon.", usage=usage)).encode()))
    counted = (await model.complete(PROMPT)).usage
    assert 0 <= counted.reasoning_tokens <= counted.output_tokens == 20
    assert counted.cached_input_tokens <= counted.input_tokens == 3
