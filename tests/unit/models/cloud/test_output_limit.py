"""Limits of output tokens: their names, their values, and reasoning models under them."""

from dataclasses import replace

import pytest

from carteiro.models.errors import InvalidOutput, InvalidPrompt, PromptTooLarge, Unsupported
from tests.unit.models.cloud.cloud_models import PROMPT
from tests.unit.models.cloud.strict_server import (
    APIS,
    LIMITED_PROMPT,
    SERVICE_OPTIONS,
    ask,
    error,
    limit,
    no_max_tokens,
    unknown,
)


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("api", APIS)
async def test_services_limit_is_not_sent_to_a_model_that_thinks_by_its_name(server, opened, api, streams):
    server.thinking_tokens = 200
    completion = await ask(opened(model="openai/gpt-5-mini", api=api), LIMITED_PROMPT, streams)
    assert (completion.text, len(server.bodies)) == ("fine", 1)


@pytest.mark.parametrize("empty", [{"content": ""}, {"content": None}, {}, {"role": "assistant"}])
@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("api", APIS)
async def test_unknown_reasoning_model_is_called_again_without_the_limit_and_remembered(
    server, opened, api, streams, empty
):
    server.thinking_tokens, server.empty = 200, empty
    model = opened(api=api)
    first = await ask(model, LIMITED_PROMPT, streams)
    assert (first.text, first.finish_reason, len(server.bodies)) == ("fine", "stop", 2)
    assert first.usage.output_tokens == 96 + 201, "both calls are paid"
    assert (await ask(model, LIMITED_PROMPT, streams)).usage.output_tokens == 201
    assert len(server.bodies) == 3


async def test_limit_of_the_completions_api_does_not_bound_thinking(server, opened):
    server.thinking_tokens = 600
    model = opened(api="completions")
    assert (await model.complete(PROMPT)).text == "fine"
    assert [body["max_tokens"] for body in server.bodies] == [512, 4096]


@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_answer_truncated_by_reasoning_is_requested_again(server, opened, api):
    server.thinking_tokens, server.truncated_text = 96, "Half a sen"
    completion = await opened(api=api).complete(LIMITED_PROMPT)
    assert (completion.text, completion.finish_reason, len(server.bodies)) == ("fine", "stop", 2)


@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_streamed_text_is_not_requested_again(server, opened, api):
    server.thinking_tokens, server.truncated_text = 96, "Half a sen"
    model = opened(api=api)
    assert (await ask(model, LIMITED_PROMPT, streams=True)).text == "Half a sen"
    assert len(server.bodies) == 1
    assert (await ask(model, LIMITED_PROMPT, streams=True)).text == "fine", "the model is known by now"


async def test_callers_limit_bounds_reasoning_and_takes_one_call(server, opened):
    server.thinking_tokens = 200
    completion = await opened(model="gpt-5").complete(replace(PROMPT, max_output_tokens=96))
    assert (completion.text, completion.finish_reason, len(server.bodies)) == ("", "length", 1)


@pytest.mark.parametrize("ours", [SERVICE_OPTIONS, frozenset()], ids=["service", "caller"])
@pytest.mark.parametrize(
    ("first", "other", "rule"),
    [
        ("max_tokens", "max_completion_tokens", no_max_tokens),
        ("max_completion_tokens", "max_tokens", unknown("max_completion_tokens")),
        (
            "max_completion_tokens",
            "max_tokens",
            unknown("max_completion_tokens", wording="{} is not permitted", status=422),
        ),
    ],
)
async def test_accepted_name_of_the_limit_is_remembered(server, opened, first, other, rule, ours):
    server.rules = [rule]
    model = opened(completion_limit=first)
    for _ in range(2):
        await model.complete(replace(PROMPT, max_output_tokens=96, service_options=ours))
    assert [limit(body) for body in server.bodies] == [{first: 96}, {other: 96}, {other: 96}]


async def test_unknown_limit_is_dropped_for_the_service_and_unsupported_for_the_caller(server, opened):
    server.rules = [unknown("max_tokens"), unknown("max_completion_tokens")]
    assert (await opened().complete(LIMITED_PROMPT)).text == "fine"
    calls_before = len(server.bodies)
    with pytest.raises(Unsupported, match="max_tokens"):
        await opened().complete(replace(PROMPT, max_output_tokens=96))
    assert len(server.bodies) == calls_before + 2


async def test_value_of_a_services_limit_that_is_refused_is_left_out_this_once(server, opened):
    """Responses is an example: it takes no limit below 16."""
    message = "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got 1 instead."
    server.rules = [lambda body: error(message) if body.get("max_output_tokens", 16) < 16 else None]
    model = opened(api="responses")
    await model.complete(replace(LIMITED_PROMPT, max_output_tokens=1))
    await model.complete(LIMITED_PROMPT)
    assert [limit(body) for body in server.bodies] == [{"max_output_tokens": 1}, {}, {"max_output_tokens": 96}]
    with pytest.raises(InvalidPrompt):
        await model.complete(replace(PROMPT, max_output_tokens=1))
    assert len(server.bodies) == 4


@pytest.mark.parametrize("name", ["gpt-5", "m"])
async def test_server_that_requires_a_limit_gets_one_that_leaves_room_to_think(server, opened, name):
    server.thinking_tokens = 200
    server.rules = [lambda body: None if "max_tokens" in body else error("max_tokens: Field required")]
    model = opened(model=name)
    for _ in range(2):
        assert (await model.complete(LIMITED_PROMPT)).text == "fine"
    assert (await model.complete(PROMPT)).text == "fine"
    assert [limit(body) for body in server.bodies[-2:]] == [{"max_tokens": 4096}] * 2


@pytest.mark.parametrize(("ours", "calls"), [(SERVICE_OPTIONS, 2), (frozenset(), 1)], ids=["service", "caller"])
async def test_refusal_for_a_limit_that_reasoning_used_up_is_recognised(server, opened, ours, calls):
    """OpenAI's reasoning models are an example."""
    message = (
        "Could not finish the message because max_tokens or model output limit was reached. "
        "Please try again with higher max_tokens."
    )
    server.rules = [lambda body: error(message) if limit(body) else None]
    asking = opened().complete(replace(LIMITED_PROMPT, service_options=ours))
    if ours:
        assert (await asking).text == "fine"
    else:
        with pytest.raises(InvalidOutput, match="used up before the first word"):
            await asking
    assert len(server.bodies) == calls


async def test_truncated_answer_is_returned_if_the_model_requires_a_limit(server, opened):
    server.thinking_tokens, server.truncated_text = 96, "Half a sen"
    server.rules = [lambda body: None if limit(body) else error("Bad Request")]
    completion = await opened().complete(LIMITED_PROMPT)
    assert (completion.text, completion.finish_reason, len(server.bodies)) == ("Half a sen", "length", 2)


async def test_prompt_that_fits_without_the_services_limit_is_not_too_large(server, opened):
    message = (
        "This model's maximum context length is 4096 tokens. However, you requested 4192 tokens "
        "(4096 in the messages, 96 in the completion). Please reduce the length of the messages or completion."
    )
    server.rules = [lambda body: error(message) if limit(body) else None]
    model = opened()
    assert (await model.complete(LIMITED_PROMPT)).text == "fine"
    with pytest.raises(PromptTooLarge):
        await model.complete(replace(PROMPT, max_output_tokens=96))
    assert len(server.bodies) == 3
