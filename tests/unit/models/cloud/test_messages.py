"""Anthropic's Messages API: the request's body, and the answer in each of its forms."""

from dataclasses import replace
from typing import Any

import pytest
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from pydantic import TypeAdapter

from carteiro.models.cloud import messages
from carteiro.models.cloud.request_format import RequestFormat, SchemaMode
from carteiro.models.errors import Refused, Unavailable
from carteiro.models.prompt import Message, Prompt, RawToolCall, ToolChoice
from tests.unit.models.cloud.cloud_models import PROMPT, TOOL_PROMPT, endpoint

SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}
LOOSE = {"type": "object", "properties": {"n": {"type": "integer"}}}
ADAPTIVE = {"type": "adaptive", "display": "summarized"}
TEXT = [{"type": "text", "text": "eins"}]


def body_of(prompt: Prompt, form: RequestFormat | None = None) -> dict[str, Any]:
    made = messages.request(endpoint("http://h/v1", model="claude-x", api="messages"), prompt, form or RequestFormat())
    assert set(made) <= set(MessageCreateParamsNonStreaming.__annotations__) | {"temperature", "seed"}
    TypeAdapter(MessageCreateParamsNonStreaming).validate_python(made)
    return made


def test_system_stands_apart_and_is_marked_for_the_cache() -> None:
    prompt = Prompt(messages=PROMPT.messages, stop=["END"], max_output_tokens=50, json_schema=SCHEMA)
    assert body_of(prompt) == {
        "model": "claude-x",
        "max_tokens": 50,
        "messages": [{"role": "user", "content": "one two three"}],
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "stop_sequences": ["END"],
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
    }


@pytest.mark.parametrize(
    ("model", "effort", "fields"),
    [
        ("claude-opus-5-5", "none", {"thinking": {"type": "disabled"}}),
        ("claude-opus-5-5", "medium", {"thinking": ADAPTIVE, "output_config": {"effort": "medium"}}),
        ("claude-sonnet-4-6", "high", {"thinking": ADAPTIVE, "output_config": {"effort": "high"}}),
        ("claude-haiku-4-5", "low", {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        ("claude-opus-4-20250514", "high", {"thinking": {"type": "enabled", "budget_tokens": 16_384}}),
    ],
)
def test_amount_of_thinking_is_a_budget_or_an_effort(model: str, effort: Any, fields: dict[str, Any]) -> None:
    without, body = (
        messages.request(
            endpoint("http://h/v1", model=model, api="messages"),
            Prompt(messages=PROMPT.messages, reasoning=each),
            RequestFormat(),
        )
        for each in (None, effort)
    )
    assert {name: body.get(name) for name in fields} == fields
    budget = fields["thinking"].get("budget_tokens", 0)
    assert body["max_tokens"] == without["max_tokens"] + budget, "the limit bounds the thinking too"


def test_effort_and_schema_share_a_field() -> None:
    body = body_of(Prompt(messages=PROMPT.messages, reasoning="low", json_schema=SCHEMA))
    assert body["output_config"] == {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}}


def test_cache_key_marks_the_messages_for_the_cache() -> None:
    assert body_of(Prompt(messages=PROMPT.messages, cache_key="k"))["cache_control"] == {"type": "ephemeral"}


def test_prompt_of_only_system_messages_is_the_users() -> None:
    body = body_of(Prompt(messages=[Message("system", "one")]))
    assert (body["messages"], "system" in body) == ([{"role": "user", "content": "one"}], False)


@pytest.mark.parametrize(
    ("schema", "mode"), [(LOOSE, SchemaMode.STRICT), (SCHEMA, SchemaMode.NON_STRICT), (SCHEMA, SchemaMode.PROMPT_ONLY)]
)
def test_schema_that_is_not_taken_stands_in_the_prompt(schema: dict[str, Any], mode: SchemaMode) -> None:
    body = body_of(Prompt(messages=PROMPT.messages, json_schema=schema), RequestFormat(schema=mode))
    assert "output_config" not in body
    assert '"properties"' in str(body)


def test_limit_that_the_api_requires_is_lower_after_a_refusal() -> None:
    first, second = (body_of(PROMPT, RequestFormat(omitted=frozenset(each))) for each in ([], ["max_tokens"]))
    assert first["max_tokens"] > second["max_tokens"] > 0


def test_usage_counts_the_tokens_of_the_cache_as_input() -> None:
    usage = {
        "input_tokens": 10,
        "cache_creation_input_tokens": 200,
        "cache_read_input_tokens": 3000,
        "output_tokens": 40,
        "output_tokens_details": {"thinking_tokens": 30},
    }
    answer = {"content": TEXT, "stop_reason": "end_turn", "usage": usage}
    read = messages.completion(answer, PROMPT, "anthropic:m").usage
    assert (read.input_tokens, read.cached_input_tokens) == (3210, 3000)
    assert (read.output_tokens, read.reasoning_tokens) == (40, 30)


@pytest.mark.parametrize(
    ("reason", "ended"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
    ],
)
def test_stop_reason_ends_the_completion(reason: str, ended: str) -> None:
    done = messages.completion({"content": TEXT, "stop_reason": reason, "usage": {}}, PROMPT, "anthropic:m")
    assert (done.text, done.finish_reason) == ("eins", ended)


def test_turn_without_a_word_is_an_empty_text() -> None:
    answer: dict[str, Any] = {"content": [], "stop_reason": "end_turn", "usage": {}}
    assert messages.completion(answer, PROMPT, "anthropic:m").text == ""


@pytest.mark.parametrize(("reason", "failure"), [("refusal", Refused), ("pause_turn", Unavailable)])
def test_stop_reason_that_is_a_failure_is_raised(reason: str, failure: type[Exception]) -> None:
    with pytest.raises(failure):
        messages.completion({"content": TEXT, "stop_reason": reason, "usage": {}}, PROMPT, "anthropic:m")


def test_calls_of_tools_are_blocks() -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "clock", "input": {"zone": "UTC"}}
    answer = {"content": [*TEXT, call], "stop_reason": "tool_use", "usage": {"input_tokens": 1, "output_tokens": 1}}
    done = messages.completion(answer, TOOL_PROMPT, "m")
    assert (done.text, done.finish_reason) == ("eins", "tool_calls")
    assert [(each.name, each.arguments) for each in done.tool_calls] == [("clock", '{"zone": "UTC"}')]


THOUGHT = {"type": "thinking", "thinking": "What time is it?", "signature": "EqQB"}
HIDDEN = {"type": "redacted_thinking", "data": "EmwK"}


def test_thinking_before_calls_goes_back_as_it_is() -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "clock", "input": {}}
    done = messages.completion({"content": [THOUGHT, HIDDEN, *TEXT, call], "stop_reason": "tool_use"}, TOOL_PROMPT, "m")
    assert (done.reasoning, done.text) == ("What time is it?", "eins")
    turn = Message("assistant", done.text, tool_calls=done.tool_calls, thinking=done.thinking)
    result = Message("tool", "12", tool_call_id=done.tool_calls[0].id)
    prompt = replace(TOOL_PROMPT, messages=[*PROMPT.messages, turn, result], reasoning="high")
    sent = endpoint("http://h/v1", model="claude-sonnet-4-5", api="messages")
    body = messages.request(sent, prompt, RequestFormat())
    assert body["messages"][1]["content"][:3] == [THOUGHT, HIDDEN, *TEXT]
    assert body["thinking"]["type"] == "enabled"


@pytest.mark.parametrize(
    "changed", [{"signature": None}, {"thinking": None}, {"thinking": "\ud800"}, {"type": ["thinking"]}]
)
def test_thinking_that_cannot_go_back_is_not_kept(changed: dict[str, Any]) -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "clock", "input": {}}
    answer = {"content": [THOUGHT | changed, call], "stop_reason": "tool_use"}
    done = messages.completion(answer, TOOL_PROMPT, "m")
    assert (done.thinking, len(done.tool_calls)) == (None, 1)


def test_thinking_of_an_answer_is_not_kept() -> None:
    answer = {"content": [THOUGHT, *TEXT], "stop_reason": "end_turn"}
    assert messages.completion(answer, TOOL_PROMPT, "m").thinking is None


@pytest.mark.parametrize("model", ["claude-opus-5-5", "claude-sonnet-4-5"])
def test_model_that_has_to_call_a_tool_or_whose_thinking_is_gone_does_not_think(model: str) -> None:
    after = [
        Message("assistant", "", tool_calls=(RawToolCall("1", "clock", "{}"),)),
        Message("tool", "12", tool_call_id="1"),
    ]
    thinks = replace(TOOL_PROMPT, reasoning="high")
    for prompt, expected in (
        (thinks, True),
        (replace(thinks, tool_choice=ToolChoice("required")), False),
        (replace(thinks, messages=[*PROMPT.messages, *after]), model == "claude-opus-5-5"),
    ):
        body = messages.request(endpoint("http://h/v1", model=model, api="messages"), prompt, RequestFormat())
        assert ("thinking" in body) is expected
        assert "output_config" in body or not expected or model.endswith("4-5")
