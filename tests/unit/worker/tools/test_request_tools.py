"""The served tools of one request."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carteiro.models.prompt import RawToolCall
from carteiro.worker.journal.request_journal import RequestJournal
from carteiro.worker.tools.interface import ToolFailed
from carteiro.worker.tools.request_tools import RequestTools, shorten
from tests.unit.worker.journal.fake_writer import FakeWriter
from tests.unit.worker.tools.fake_source import WEATHER, FakeSource

PORTO = RawToolCall("1", "weather", '{"city": "Porto"}')


def tools_of(source: FakeSource) -> RequestTools:
    return RequestTools([WEATHER], {"weather": source}, 4)


def raises(error: Exception) -> Any:
    def answer(_: Mapping[str, Any]) -> str:
        raise error

    return answer


async def test_result_is_for_the_model_and_the_step_for_the_reply() -> None:
    tools = tools_of(FakeSource(lambda _: "x" * 3000))
    assert await tools.call(PORTO, 2000) == "x" * 2000 + "\n[Cut: the first 2,000 of 3,000 characters.]"
    (step,) = tools.steps
    assert (step.tool, step.arguments, step.failed) == ("weather", {"city": "Porto"}, False)
    assert (len(step.result), step.result_characters) == (1000, 3000)


async def test_long_arguments_are_sent_and_not_shown() -> None:
    tools = tools_of(FakeSource(lambda arguments: str(len(arguments["city"]))))
    assert await tools.call(RawToolCall("1", "weather", f'{{"city": "{"x" * 5000}"}}'), 2000) == "5000"
    assert (tools.steps[0].arguments, tools.steps[0].failed) == ({}, False)


async def test_many_calls_do_not_make_a_reply_too_large() -> None:
    tools = tools_of(FakeSource(lambda _: "\u20ac" * 5000))
    for number in range(60):
        call = RawToolCall("1", "weather", f'{{"city": "{number}{"x" * 3900}"}}')
        assert len(await tools.call(call, 5000)) == 5000
    assert sum(len(step.model_dump_json()) for step in tools.steps) < 220_000
    first, *_, last = tools.steps
    assert (len(first.result), last.arguments, last.result, last.result_characters) == (1000, {}, "", 5000)


@pytest.mark.parametrize(
    ("source", "call", "told"),
    [
        (FakeSource(raises(ToolFailed("No such city."))), PORTO, "Error: No such city."),
        (FakeSource(raises(ValueError("secret"))), PORTO, "Error: The tool failed."),
        (FakeSource(raises(TimeoutError())), PORTO, "Error: The tool did not answer within 5 s."),
        (FakeSource(), RawToolCall("1", "fly", "{}"), "There is no tool 'fly'. The tools are weather."),
        (FakeSource(), RawToolCall("1", "weather", '{"city": 7}'), "do not follow the schema"),
        (FakeSource(), RawToolCall("1", "weather", "Porto"), "The arguments are not JSON."),
    ],
)
async def test_tool_that_fails_gives_an_error_text(source: FakeSource, call: RawToolCall, told: str) -> None:
    tools = tools_of(source)
    assert told in await tools.call(call, 5000)
    assert tools.steps[0].failed


async def test_call_without_an_answer_is_given_up_after_its_time() -> None:
    source = FakeSource()
    source.hangs, source.timeout = True, 0.01
    assert await tools_of(source).call(PORTO, 5000) == "Error: The tool did not answer within 0.01 s."
    assert source.cancelled


@pytest.mark.parametrize(("result", "text"), [("", "(The tool returned nothing.)"), ("a\x00\ud800 ", "a?")])
async def test_odd_content_becomes_text(result: str, text: str) -> None:
    assert await tools_of(FakeSource(lambda _: result)).call(PORTO, 5000) == text


async def test_new_attempt_uses_the_results_of_equal_calls_again_and_makes_the_others() -> None:
    source = FakeSource()
    tools = tools_of(source)
    for _ in range(2):
        tools.begin_attempt()
        assert await tools.call(PORTO, 5000) == "rain in Porto"
        assert len(source.calls) == len(tools.steps) == 1
    assert await tools.call(PORTO, 5000) == "rain in Porto"  # a second call is a new one
    assert await tools.call(RawToolCall("2", "weather", '{"city": "Faro"}'), 5000) == "rain in Faro"
    assert len(source.calls) == len(tools.steps) == 3


async def test_new_attempt_makes_a_call_that_failed_again() -> None:
    source = FakeSource(raises(ToolFailed("Down.")))
    tools = tools_of(source)
    for attempt in (1, 2):
        tools.begin_attempt()
        assert await tools.call(PORTO, 5000) == "Error: Down."
        assert len(source.calls) == len(tools.steps) == attempt


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=30), st.integers(0, 40))
def test_shortened_text_keeps_its_beginning(text: str, limit: int) -> None:
    short = shorten(text, limit)
    assert short == text if len(text) <= limit else short.startswith(text[:limit])


async def test_call_has_the_same_idempotency_key_in_each_run_of_the_request() -> None:
    keys = []
    for _ in range(2):
        source = FakeSource()
        tools = tools_of(source)
        tools.journal = RequestJournal(FakeWriter().next_owner(), 17, 17, 0)
        for call in (PORTO, PORTO, RawToolCall("2", "weather", '{"city": "Faro"}')):
            await tools.call(call, 5000)
        keys.append(source.keys)
    assert keys[0] == keys[1]
    assert len(set(keys[0])) == 3
