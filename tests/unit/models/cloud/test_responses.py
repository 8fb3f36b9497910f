"""Requests to the Responses API, and completions from its answers."""

from dataclasses import replace

import pytest

from carteiro.models.cloud import responses
from carteiro.models.cloud.request_format import RequestFormat
from carteiro.models.errors import ContentFiltered, InvalidOutput, ModelError, RateLimited, Refused, Unavailable
from carteiro.models.prompt import Message, Prompt
from carteiro.models.results import Completion
from carteiro.schemas import Usage
from tests.provider import completions as provider
from tests.unit.models.cloud.cloud_models import PROMPT, TOOL_PROMPT, endpoint

REQUEST = {"model": "m", "input": [], "prompt": ""}


def test_responses_join_their_parts_and_set_the_reasoning_apart() -> None:
    output = [
        {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
        provider.message("Lis", "bon."),
    ]
    usage = {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 0},
        "output_tokens": 50,
        "output_tokens_details": {"reasoning_tokens": 40},
        "total_tokens": 150,
    }
    assert responses.completion(provider.response(REQUEST, output, usage=usage), PROMPT, "m") == Completion(
        "Lisbon.",
        "stop",
        Usage(input_tokens=100, output_tokens=50, cached_input_tokens=64, reasoning_tokens=40),
        "Hm.",
    )


def test_responses_are_cut_at_a_stop_text_that_the_api_does_not_know() -> None:
    prompt = Prompt(messages=PROMPT.messages, stop=["\n", "END"])
    for cut in (False, True):
        answer = provider.response(REQUEST, [provider.message("Lisbon.END\nIt is")], cut)
        done = responses.completion(answer, prompt, "m")
        assert (done.text, done.finish_reason) == ("Lisbon.", "stop")


def test_responses_cut_by_the_limit() -> None:
    done = responses.completion(provider.response(REQUEST, [provider.message("Lis")], cut=True), PROMPT, "m")
    assert (done.text, done.finish_reason) == ("Lis", "length")
    reasoning = provider.response(REQUEST, [{"type": "reasoning", "summary": []}], cut=True)
    assert responses.completion(reasoning, PROMPT, "m").text == "", "not a word before the limit"


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        (Refused, provider.response(REQUEST, [provider.message(refusal="I can't.")])),
        (
            ContentFiltered,
            provider.response(REQUEST, [], status="incomplete", incomplete_details={"reason": "content_filter"}),
        ),
        (Unavailable, provider.response(REQUEST, [], status="incomplete", incomplete_details=None)),
        (Unavailable, provider.response(REQUEST, [], status="failed", error={"code": "server_error", "message": "x"})),
        (Unavailable, provider.response(REQUEST, [], status="failed", error=None)),
        (RateLimited, provider.response(REQUEST, [], status="failed", error={"code": "rate_limit_exceeded"})),
        (ContentFiltered, provider.response(REQUEST, [], status="failed", error={"code": "invalid_prompt"})),
        (Unavailable, provider.response(REQUEST, [], status="queued")),
        (InvalidOutput, provider.response(REQUEST, [])),
        (InvalidOutput, provider.response(REQUEST, [{"type": "function_call", "name": "f", "arguments": "{}"}])),
    ],
)
def test_responses_without_a_completion_are_failures(kind: type[ModelError], answer: dict) -> None:
    with pytest.raises(ModelError) as caught:
        responses.completion(answer, PROMPT, "m")
    assert type(caught.value) is kind


CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "clock", "arguments": "{}"}


def test_calls_of_tools_are_items() -> None:
    answer = {"output": [CALL, {**CALL, "call_id": "call_2"}], "status": "completed"}
    done = responses.completion(answer, TOOL_PROMPT, "m")
    assert (done.finish_reason, done.text) == ("tool_calls", "")
    assert [call.name for call in done.tool_calls] == ["clock", "clock"]
    assert len({call.id for call in done.tool_calls}) == 2


THOUGHT = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAA"}


def answered(*output: dict) -> Completion:
    return responses.completion({"output": [*output], "status": "completed"}, TOOL_PROMPT, "m")


def test_encrypted_thinking_before_calls_goes_back_as_it_is() -> None:
    done = answered({**THOUGHT, "status": "completed"}, CALL)
    turn = Message("assistant", done.text, tool_calls=done.tool_calls, thinking=done.thinking)
    prompt = replace(TOOL_PROMPT, messages=[*PROMPT.messages, turn])
    sent = endpoint("http://h/v1", model="gpt-5-pro", api="responses")
    body = responses.request(sent, prompt, RequestFormat())
    assert body["input"][-2] == THOUGHT
    assert body["include"] == ["reasoning.encrypted_content"]


@pytest.mark.parametrize(
    "output",
    [
        (CALL,),
        ({**THOUGHT, "encrypted_content": None}, CALL),
        ({**THOUGHT, "encrypted_content": "\ud800"}, CALL),
        ({**THOUGHT, "id": 7}, CALL),
        ({**THOUGHT, "summary": "Hm."}, CALL),
        (CALL, THOUGHT),
        (THOUGHT, CALL, THOUGHT, CALL),
        (THOUGHT, provider.message("Lisbon.")),
        (provider.message("Wait."), THOUGHT, CALL),
    ],
)
def test_thinking_that_cannot_go_back_is_not_kept(output: tuple[dict, ...]) -> None:
    assert answered(*output).thinking is None


@pytest.mark.parametrize(
    ("model", "prompt", "form"),
    [
        ("gpt-5-pro", PROMPT, RequestFormat()),
        ("gpt-4.1-pro", TOOL_PROMPT, RequestFormat()),
        ("gpt-5-pro", TOOL_PROMPT, RequestFormat(omitted=frozenset({"include"}))),
    ],
)
def test_encrypted_thinking_is_asked_for_if_it_may_go_back(model: str, prompt: Prompt, form: RequestFormat) -> None:
    sent = endpoint("http://h/v1", model=model, api="responses")
    assert "include" not in responses.request(sent, prompt, form)
