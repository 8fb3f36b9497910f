"""Answers of the Responses API with unknown states, items and events."""

import json

import pytest

from carteiro.models.cloud.client import CloudModel
from carteiro.models.errors import Unavailable
from tests.unit.models.cloud.cloud_models import endpoint
from tests.unit.models.cloud.nonstandard_responses import (
    ABSENT,
    PROMPT,
    USAGE,
    answer_with,
    complete_streamed,
    event_bytes,
    full_answer,
)

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
async def responses(provider):
    running = CloudModel("openai:echo", endpoint(provider.url, api="responses"), timeout=10)
    yield running
    await running.close()


@pytest.mark.parametrize("status", ["done", "", None, "succeeded", "in_progress", 7])
async def test_unknown_status_with_a_text(provider, responses, status):
    provider._next.append(answer_with(json.dumps(full_answer("responses", "Lisbon.") | {"status": status}).encode()))
    completion = await responses.complete(PROMPT)
    assert (completion.text, completion.finish_reason) == ("Lisbon.", "stop")


@pytest.mark.parametrize("details", [None, {}, {"reason": None}, {"reason": "turn_limit"}, "x"])
async def test_incomplete_for_an_unknown_reason_is_cut(provider, responses, details):
    answer = full_answer("responses", "Lis") | {"status": "incomplete", "incomplete_details": details}
    provider._next.append(answer_with(json.dumps(answer).encode()))
    completion = await responses.complete(PROMPT)
    assert (completion.text, completion.finish_reason) == ("Lis", "length")


async def test_items_of_unknown_kinds(provider, responses):
    answer = full_answer("responses", "Lisbon.")
    answer["output"] = [
        None,
        5,
        {},
        {"type": "web_search_call"},
        {"type": "new", "text": "?"},
        {"type": 3},
        *answer["output"],
    ]
    provider._next.append(answer_with(json.dumps(answer).encode()))
    assert (await responses.complete(PROMPT)).text == "Lisbon."


@pytest.mark.parametrize("output", [[], None, ABSENT])
async def test_output_text_alone(provider, responses, output):
    answer = {"status": "completed", "output_text": "Lisbon."} | ({} if output is ABSENT else {"output": output})
    provider._next.append(answer_with(json.dumps(answer).encode()))
    assert (await responses.complete(PROMPT)).text == "Lisbon."


DELTA = "response.output_text.delta"

ODD_EVENTS = [
    {"type": "response.new.delta", "delta": "?"},
    {"type": DELTA, "delta": None},
    {"type": DELTA},
    {"type": None},
    {"type": 5, "delta": "?"},
    {"type": "response.in_progress", "response": None},
    {"type": "response.in_progress", "response": {"status": "in_progress", "output": None}},
    {"type": "response.content_part.added", "part": {"type": "output_text", "text": ""}},
    {"delta": "?"},
]


@pytest.mark.parametrize("end", ["completed", "empty", "output_text.done", "done"])
async def test_answer_put_together_from_its_deltas(provider, responses, end):
    deltas = [{"type": DELTA, "delta": text} for text in ("Lis", "bon.")]
    sent = [*ODD_EVENTS, deltas[0], *ODD_EVENTS, deltas[1], *ODD_EVENTS]
    sent += {
        "completed": [{"type": "response.completed", "response": {"usage": USAGE}}],
        "empty": [{"type": "response.completed", "response": {"status": "completed", "output": [], "usage": USAGE}}],
        "output_text.done": [{"type": "response.output_text.done", "text": "Lisbon."}],
        "done": ["[DONE]"],
    }[end]
    provider._next.append(answer_with(event_bytes(sent, done=False)))
    completion = await complete_streamed(responses)
    assert (completion.text, completion.finish_reason) == ("Lisbon.", "stop")


async def test_text_that_comes_whole_in_the_end(provider, responses):
    provider._next.append(answer_with(event_bytes([{"type": "response.output_text.done", "text": "Lisbon."}])))
    assert (await complete_streamed(responses)).text == "Lisbon."


async def test_failure_in_a_stream_without_details(provider, responses):
    sent = [{"type": DELTA, "delta": "Lis"}, {"type": "response.failed", "response": {"error": None}}]
    provider._next.append(answer_with(event_bytes(sent)))
    with pytest.raises(Unavailable):
        await complete_streamed(responses)
