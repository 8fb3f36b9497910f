"""Negotiation of the form of a request: the number of calls, and the lessons from them."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from carteiro.models.cloud.format_negotiation import MAX_CALLS
from carteiro.models.errors import InvalidPrompt, Unsupported
from tests.unit.models.cloud.cloud_models import PROMPT
from tests.unit.models.cloud.strict_server import (
    SCHEMA_PROMPT,
    SERVICE_OPTIONS,
    ask,
    error,
    formats,
    kind,
    unknown,
)


async def test_model_that_refuses_all_additions_is_called_at_most_four_times(server, opened):
    server.rules = [unknown("response_format"), unknown("stream_options"), unknown("max_tokens"), unknown("x")]
    prompt = replace(SCHEMA_PROMPT, max_output_tokens=96, service_options=SERVICE_OPTIONS)
    with pytest.raises(Unsupported):
        await ask(opened(), prompt, streams=True)
    assert len(server.bodies) == MAX_CALLS


async def test_all_additions_can_be_removed_without_a_hint(server, opened):
    ours = ("response_format", "stream_options", "max_tokens", "max_completion_tokens")
    server.rules = [unknown(*ours, wording="Bad Request")]
    prompt = replace(SCHEMA_PROMPT, max_output_tokens=96, service_options=SERVICE_OPTIONS)
    model = opened()
    for _ in range(2):
        assert (await ask(model, prompt, streams=True)).text == "fine"
    assert len(server.bodies) == MAX_CALLS + 1


async def test_refusal_that_persists_is_the_first_one_and_teaches_nothing(server, opened):
    messages = iter(f"Bad Request {number}" for number in range(10))
    server.rules = [lambda body: error(next(messages))]
    model = opened()
    with pytest.raises(InvalidPrompt, match="Bad Request 0"):
        await model.complete(SCHEMA_PROMPT)
    assert len(server.bodies) <= MAX_CALLS
    server.rules = []
    await model.complete(SCHEMA_PROMPT)
    assert kind(server.bodies[-1]) == "json_schema"


async def test_refusal_without_a_hint_does_not_blame_what_was_taken_before(server, opened):
    model = opened()
    await ask(model, PROMPT, streams=True)
    server.rules = [lambda body: error("Bad Request")]
    with pytest.raises(InvalidPrompt):
        await ask(model, PROMPT, streams=True)
    assert len(server.bodies) == 2


async def test_concurrent_requests_learn_together(server, opened):
    server.rules = [formats()]
    model = opened()
    await asyncio.gather(*(model.complete(SCHEMA_PROMPT) for _ in range(64)))
    refused = len(server.bodies) - server.answered_requests
    assert server.answered_requests == 64
    assert refused <= 2 * 64
    await model.complete(SCHEMA_PROMPT)
    assert len(server.bodies) == 64 + refused + 1


async def test_every_call_goes_through_the_quota(server, opened, monkeypatch):
    server.rules = [formats()]
    model = opened()
    begun = []
    call = model._quota.call
    monkeypatch.setattr(model._quota, "call", lambda tokens, rank: begun.append(tokens) or call(tokens, rank))
    await model.complete(SCHEMA_PROMPT)
    assert len(begun) == len(server.bodies) == 3


async def test_time_of_all_calls_together_is_bounded_by_the_timeout(server, opened, monkeypatch):
    server.rules = [formats()]
    model = opened()
    left: list[float] = []
    failures = model._connection.translate_errors

    def bounded(within: float | None = None, name: str | None = None, request_body: Any = None) -> Any:
        left.extend([within] if within is not None else [])
        return failures(within, name, request_body)

    monkeypatch.setattr(model._connection, "translate_errors", bounded)
    await model.complete(SCHEMA_PROMPT)
    assert len(left) == len(server.bodies) - 1
    assert all(seconds <= 30 for seconds in left)
