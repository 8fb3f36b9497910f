"""Servers that refuse a part of a request: the model is called again without our additions, and its form is
remembered.
"""

from dataclasses import replace
from typing import Any

import pytest

from carteiro.models.cloud.client import CloudModel
from carteiro.models.cloud.format_changes import candidate_changes, change_for_error
from carteiro.models.errors import Unsupported
from tests.unit.models.cloud.cloud_models import PROMPT, endpoint
from tests.unit.models.cloud.strict_server import (
    APIS,
    SCHEMA_PROMPT,
    Json,
    ask,
    error,
    formats,
    only_temperature_1,
    unknown,
)


@pytest.mark.parametrize("streams", [False, True])
async def test_temperature_that_the_caller_chose_is_unsupported_in_the_providers_words(server, opened, streams):
    server.rules = [only_temperature_1]
    with pytest.raises(Unsupported, match="Only the default"):
        await ask(opened(), replace(PROMPT, temperature=0.2), streams)
    assert len(server.bodies) == 1


@pytest.mark.parametrize("option", ["temperature", "seed"])
async def test_option_that_the_service_chose_is_dropped_and_a_callers_still_sent(server, opened, option):
    server.rules = [only_temperature_1, unknown("seed")]
    model = opened()
    chosen = replace(PROMPT, **{option: 0})
    for _ in range(2):
        await model.complete(replace(chosen, service_options=frozenset({option})))
    assert [option in body for body in server.bodies] == [True, False, False]
    with pytest.raises(Unsupported):
        await model.complete(chosen)


@pytest.mark.parametrize(
    "refusal",
    [
        error("Your organization must be verified to stream this model.", param="stream", code="unsupported_value"),
        error("Streaming is not supported for this model"),
    ],
)
@pytest.mark.parametrize("api", APIS)
async def test_model_that_may_not_be_streamed_answers_at_once(server, opened, api, refusal):
    server.rules = [lambda body: refusal if body.get("stream") else None]
    model = opened(api=api)
    for _ in range(2):
        assert (await ask(model, PROMPT, streams=True)).text == "fine"
    assert [body.get("stream", False) for body in server.bodies] == [True, False, False]


@pytest.mark.parametrize(
    "message",
    [
        "This model only support stream mode, please enable the stream parameter to access the model.",
        "parameter.enable_thinking must be set to false for non-streaming calls",
    ],
)
@pytest.mark.parametrize("api", APIS)
async def test_model_that_only_streams_is_streamed(server, opened, api, message):
    server.rules = [lambda body: None if body.get("stream") else error(message)]
    model = opened(api=api)
    for _ in range(2):
        assert (await ask(model, PROMPT)).text == "fine"
    assert [body.get("stream", False) for body in server.bodies] == [False, True, True]
    assert "stream" not in model.body(PROMPT), "a batch is not streamed"


async def test_system_messages_are_merged_if_roles_must_alternate(server, opened):
    def rule(body: Json) -> tuple[int, Any] | None:
        alternates = body["messages"][0]["role"] != "system"
        return None if alternates else error("Conversation roles must alternate user/assistant/user/assistant/...")

    server.rules = [rule]
    assert (await ask(opened(), PROMPT)).text == "fine"


@pytest.mark.parametrize("api", ["chat", "completions"])
@pytest.mark.parametrize("message", ["Unrecognized request argument supplied: stream_options", "Bad Request", ""])
async def test_usage_of_streams_is_not_asked_for_if_that_is_refused(server, opened, api, message):
    server.rules = [lambda body: error(message) if "stream_options" in body else None]
    model = opened(api=api)
    for _ in range(2):
        assert (await ask(model, PROMPT, streams=True)).text == "fine"
    assert ["stream_options" in body for body in server.bodies] == [True, False, False]


async def test_name_of_the_model_is_not_read_as_the_refused_field(server):
    server.rules = [formats(message="Bad Request")]
    model = CloudModel("http://seed-oss/v1#strict-seed", endpoint(server.url), timeout=30)
    assert (await model.complete(SCHEMA_PROMPT)).text == "fine"
    await model.close()


async def test_store_is_not_sent_if_it_is_refused(server, opened):
    server.rules = [unknown("store")]
    model = opened(api="responses")
    for _ in range(2):
        await model.complete(PROMPT)
    assert ["store" in body for body in server.bodies] == [True, False, False]


@pytest.mark.parametrize(
    "message",
    [
        "Developer instruction is not enabled for models/gemma-3-27b-it",
        "System role not supported",
        "This model does not support system messages.",
        "Only user and assistant roles are supported! Conversation roles must alternate; the system role is not.",
        "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
    ],
)
@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_system_message_goes_into_the_users_if_it_is_refused(server, opened, api, message):
    def rule(body):
        roles = [each["role"] for each in body.get("messages") or body["input"]]
        return error(message) if "system" in roles else None

    server.rules = [rule]
    model = opened(api=api)
    for _ in range(2):
        await model.complete(PROMPT)
    assert len(server.bodies) == 3
    said = server.bodies[-1].get("messages") or server.bodies[-1]["input"]
    assert said == [{"role": "user", "content": "Be brief.\n\none two three"}]


async def test_unknown_status_changes_no_field(opened):
    model = opened()
    body = {"response_format": {}}
    failure = Unsupported("server:m refused the request with HTTP status 499")
    assert not candidate_changes(model._dialect, SCHEMA_PROMPT, model._dialect.format_for(SCHEMA_PROMPT), body, failure)
    assert candidate_changes(
        model._dialect,
        SCHEMA_PROMPT,
        model._dialect.format_for(SCHEMA_PROMPT),
        body,
        Unsupported("server:m cannot: No route"),
    )


async def test_option_of_the_failure_comes_before_its_words(server, opened):
    model = opened()
    failure = Unsupported("The model cannot do that")
    failure.option = "stream_options"
    body = {"stream_options": {}, "seed": 1}
    step = change_for_error(model._dialect, PROMPT, model._dialect.format_for(PROMPT), body, failure)
    assert step is not None
    assert step.change.omitted == {"stream_options"}
