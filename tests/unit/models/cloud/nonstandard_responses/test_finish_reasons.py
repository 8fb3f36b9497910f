"""Reasons for the end of a completion, in the words of many servers."""

import json

import pytest

from carteiro.models.errors import ContentFiltered, InvalidOutput, Unavailable
from carteiro.models.prompt import Message, Prompt
from tests.unit.models.cloud.nonstandard_responses import (
    ABSENT,
    PROMPT,
    answer_with,
    complete_both_ways,
    complete_streamed,
    event_bytes,
    full_answer,
    stream_chunks,
)

pytestmark = pytest.mark.timeout(60)

DONE = ["eos", "end", "end_turn", "stop_sequence", "eos_token", "EOS", "COMPLETE", "STOP", "whatever", "", None, ABSENT]
DONE += [0, True, ["stop"], {"type": "stop"}]

CUT = [
    "length",
    "max_tokens",
    "MAX_TOKENS",
    "model_length",
    "max_output_tokens",
    "token_limit",
    "FINISH_REASON_MAX_TOKENS",
]
CUT += ["FinishReason.MAX_TOKENS", "max_new_tokens", "MaxTokens", "ERROR_LIMIT", "model_context_window_exceeded"]

FILTERED = [
    "content_filter",
    "SAFETY",
    "safety",
    "FinishReason.SAFETY",
    "FINISH_REASON_RECITATION",
    "PROHIBITED_CONTENT",
]
FILTERED += [
    "content_filter: SPII",
    "content-filtered",
    "sensitive",
    "guardrail_intervened",
    "ERROR_TOXIC",
    "Content Filter",
]


@pytest.mark.parametrize("reason", DONE, ids=repr)
async def test_text_counts_for_any_reason(provider, api, model, reason):
    for completion in await complete_both_ways(
        provider, model, full_answer(api, "Lisbon.", reason), stream_chunks(api, ["Lis", "bon."], reason)
    ):
        assert (completion.text, completion.finish_reason) == ("Lisbon.", "stop")
        assert completion.usage.output_tokens == 20


@pytest.mark.parametrize("reason", CUT)
async def test_words_for_cut_are_length(provider, api, model, reason):
    one, several = full_answer(api, "Lis", reason), stream_chunks(api, ["Li", "s"], reason)
    if api == "responses":
        cut = {"status": "incomplete", "incomplete_details": {"reason": reason}}
        one, several = one | cut, [*several[:-1], {"type": "response.incomplete", "response": one | cut}]
    for completion in await complete_both_ways(provider, model, one, several):
        assert (completion.text, completion.finish_reason) == ("Lis", "length")


@pytest.mark.parametrize("text", ["Lis", "", None])
@pytest.mark.parametrize("reason", FILTERED)
async def test_words_of_filters(provider, api, model, reason, text):
    one, several = full_answer(api, text, reason), stream_chunks(api, [text], reason)
    if api == "responses":
        stopped = {"status": "incomplete", "incomplete_details": {"reason": reason}}
        one, several = one | stopped, [{"type": "response.incomplete", "response": one | stopped}]
    with pytest.raises(ContentFiltered):
        await complete_both_ways(provider, model, one, [])
    provider.forget()
    provider._next.append(answer_with(event_bytes(several)))
    with pytest.raises(ContentFiltered):
        await complete_streamed(model)


@pytest.mark.parametrize("reason", ["error", "network_error", "ERROR", "aborted", "insufficient_system_resource"])
@pytest.mark.parametrize("api", ["chat", "completions"], indirect=True)
async def test_incomplete_answer_is_a_failure(provider, api, model, reason):
    provider._next.append(answer_with(json.dumps(full_answer(api, "Lis", reason)).encode()))
    with pytest.raises(Unavailable):
        await model.complete(PROMPT)
    provider._next.append(answer_with(event_bytes(stream_chunks(api, ["Lis"], reason))))
    with pytest.raises(Unavailable):
        await complete_streamed(model)


@pytest.mark.parametrize("api", ["chat"], indirect=True)
async def test_text_next_to_a_tool_call_counts(provider, api, model):
    for completion in await complete_both_ways(
        provider, model, full_answer(api, "Lisbon.", "tool_calls"), stream_chunks(api, ["Lisbon."], "tool_calls")
    ):
        assert completion.text == "Lisbon."
    provider._next.append(answer_with(json.dumps(full_answer(api, None, "tool_calls")).encode()))
    with pytest.raises(InvalidOutput, match="tool"):
        await model.complete(PROMPT)


FILTERS = [
    {"choices": [{"index": 0, "finish_reason": "SAFETY"}]},
    {"choices": [{"index": 0, "finish_reason": "content_filter", "message": None}]},
    {
        "choices": [
            {"finish_reason": "stop", "content_filter_results": {"hate": {"filtered": True, "severity": "high"}}}
        ]
    },
    {"choices": [{"content_filter_results": {"violence": {"filtered": True}}, "message": {"content": None}}]},
    {"choices": [], "promptFeedback": {"blockReason": "SAFETY"}},
    {"choices": None, "prompt_filter_results": [{"content_filter_results": {"jailbreak": {"filtered": True}}}]},
    {"choices": [{"finish_reason": None, "native_finish_reason": "PROHIBITED_CONTENT"}]},
]


@pytest.mark.parametrize("answer", FILTERS, ids=repr)
@pytest.mark.parametrize("api", ["chat", "completions"], indirect=True)
async def test_filter_reason_without_a_message_is_filtered(provider, model, answer):
    provider._next.append(answer_with(json.dumps(answer).encode()))
    with pytest.raises(ContentFiltered):
        await model.complete(PROMPT)
    provider._next.append(answer_with(event_bytes([answer])))
    with pytest.raises(ContentFiltered):
        await complete_streamed(model)


@pytest.mark.parametrize("results", [{"hate": {"filtered": False}}, {"hate": {"filtered": None}}, None, 5, "x", []])
@pytest.mark.parametrize("api", ["chat"], indirect=True)
async def test_filter_without_a_hit_does_not_matter(provider, api, model, results):
    one = full_answer(api, "Lisbon.")
    one["choices"][0]["content_filter_results"] = results
    one["prompt_filter_results"] = [{"prompt_index": 0, "content_filter_results": results}]
    provider._next.append(answer_with(json.dumps(one).encode()))
    assert (await model.complete(PROMPT)).text == "Lisbon."


async def test_stop_text_counts_in_the_answer_and_not_in_the_thinking(provider, api, model):
    prompt = Prompt(messages=[Message("user", "x")], stop=["END"])
    text = "<think>No END yet.</think>Lisbon.END More."
    provider._next.append(answer_with(json.dumps(full_answer(api, text, "length")).encode()))
    completion = await model.complete(prompt)
    assert (completion.text, completion.finish_reason) == ("Lisbon.", "stop")
    provider._next.append(answer_with(event_bytes(stream_chunks(api, [text[:20], text[20:]], "length"))))
    assert (await complete_streamed(model, prompt)).text == "Lisbon."
