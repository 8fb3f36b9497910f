"""The loop between a model and the served tools."""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

from carteiro.models.errors import InvalidOutput, PromptTooLarge, Unsupported
from carteiro.models.prompt import Message, Prompt, RawToolCall, ToolChoice, ToolDefinition
from carteiro.models.results import Completion
from carteiro.schemas import Usage
from carteiro.worker.journal.request_journal import RequestJournal
from carteiro.worker.model_calls.chat_model_proxy import ChatModelProxy
from carteiro.worker.tools.request_tools import RequestTools
from carteiro.worker.tools.tool_loop import ToolCallingModel
from tests.unit.worker.failing_model import FailingModel
from tests.unit.worker.journal.fake_writer import FakeWriter
from tests.unit.worker.tools.fake_source import WEATHER, FakeSource

USAGE = Usage(input_tokens=2, output_tokens=1)
PORTO = RawToolCall("aaaaaaaaa", "weather", '{"city": "Porto"}')
MINE = RawToolCall("bbbbbbbbb", "mine", "{}")
ASKED = Prompt(messages=[Message("user", "Is it warm?")])


class ScriptedModel(FailingModel):
    """Model that gives one answer after the other, and repeats the last one."""

    def __init__(self, *answers: Completion | Exception) -> None:
        super().__init__()
        self.answers = list(answers)

    async def complete(self, prompt: Prompt) -> Completion:
        self.prompts.append(prompt)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def calls(*made: RawToolCall) -> Completion:
    return Completion("", "tool_calls", USAGE, None, made)


SAYS = Completion("Mild.", "stop", USAGE)


async def run(
    model: ScriptedModel, source: FakeSource | None = None, prompt: Prompt = ASKED, rounds: int = 4
) -> tuple[Completion, RequestTools]:
    tools = RequestTools([WEATHER], {"weather": source or FakeSource()}, rounds)
    return await ToolCallingModel(model, tools).complete(prompt), tools


async def test_model_reads_the_results_of_its_calls() -> None:
    model = ScriptedModel(calls(PORTO, PORTO), SAYS)
    done, tools = await run(model)
    assert (done.text, done.usage, done.finish_reason) == ("Mild.", USAGE + USAGE, "stop")
    assert [each.name for each in model.prompts[0].tools] == ["weather"]
    assistant, first, second = model.prompts[1].messages[1:]
    assert assistant.tool_calls == (PORTO, PORTO)
    assert (first.role, first.content, first.tool_call_id) == ("tool", "rain in Porto", PORTO.id)
    assert second.content == "rain in Porto"
    assert len(tools.steps) == 2


@pytest.mark.parametrize(
    ("by_default", "own", "message"),
    [
        (True, (), r"cannot call tools, and this service .*: send served_tools: \[\]\. The operator"),
        (False, (), r"cannot call tools: send served_tools: \[\], or"),
        (True, [ToolDefinition("mine")], "no tools here"),
    ],
)
async def test_model_without_tools_is_told_to_the_one_who_can_act(by_default: bool, own: Any, message: str) -> None:
    tools = RequestTools([WEATHER], {"weather": FakeSource()}, 4, by_default=by_default)
    model = ToolCallingModel(ScriptedModel(Unsupported("no tools here", "tools")), tools)
    with pytest.raises(Unsupported, match=message):
        await model.complete(Prompt(messages=ASKED.messages, tools=own))


async def test_other_refusal_of_a_model_is_told_as_it_is() -> None:
    with pytest.raises(Unsupported, match="no seed"):
        await run(ScriptedModel(Unsupported("no seed", "seed")))


async def test_last_round_permits_no_call() -> None:
    model = ScriptedModel(calls(PORTO))
    done, tools = await run(model, rounds=3)
    assert [each.tool_choice.mode for each in model.prompts] == ["auto", "auto", "none"]
    assert (done.tool_calls, done.finish_reason, len(tools.steps)) == ((), "stop", 2)


async def test_calls_of_the_callers_tools_end_the_loop_and_no_other_call_is_made_next_to_them() -> None:
    source = FakeSource()
    prompt = Prompt(messages=ASKED.messages, tools=[ToolDefinition("mine")])
    model = ScriptedModel(calls(PORTO), calls(PORTO, MINE))
    done, _ = await run(model, source, prompt)
    assert (done.tool_calls, done.finish_reason) == ((MINE,), "tool_calls")
    assert len(source.calls) == 1
    assert [each.name for each in model.prompts[0].tools] == ["mine", "weather"]


async def test_last_round_has_the_callers_tools() -> None:
    prompt = Prompt(messages=ASKED.messages, tools=[ToolDefinition("mine")])
    model = ScriptedModel(SAYS)
    await run(model, prompt=prompt, rounds=1)
    assert [each.name for each in model.prompts[0].tools] == ["mine"]


async def test_choice_of_the_caller_concerns_only_its_tools() -> None:
    prompt = Prompt(messages=ASKED.messages, tools=[ToolDefinition("mine")], tool_choice=ToolChoice("none"))
    model = ScriptedModel(SAYS)
    await run(model, prompt=prompt)
    assert [each.name for each in model.prompts[0].tools] == ["weather"]
    assert model.prompts[0].tool_choice.mode == "auto"


async def test_unknown_tool_is_an_error_for_the_model() -> None:
    model = ScriptedModel(calls(RawToolCall("1", "fly", "{}")), SAYS)
    assert (await run(model))[0].text == "Mild."
    assert "There is no tool 'fly'" in model.prompts[1].messages[-1].content


async def test_results_that_make_the_prompt_too_large_are_shortened_once() -> None:
    flood = FakeSource(lambda _: "x" * 10_000)
    model = ScriptedModel(calls(PORTO), PromptTooLarge("too large"), SAYS)
    assert (await run(model, flood))[0].text == "Mild."
    assert len(model.prompts[1].messages[-1].content) == 10_000
    assert len(model.prompts[2].messages[-1].content) < 600
    with pytest.raises(PromptTooLarge):
        await run(ScriptedModel(calls(PORTO), PromptTooLarge("too large")), flood)
    with pytest.raises(PromptTooLarge):
        await run(ScriptedModel(PromptTooLarge("too large")))


async def test_results_fit_a_small_context() -> None:
    model = ScriptedModel(calls(PORTO), SAYS)
    model.context_tokens = 800
    await run(model, FakeSource(lambda _: "x" * 10_000))
    assert len(model.prompts[1].messages[-1].content) < 900


async def test_round_has_at_most_sixteen_calls() -> None:
    source = FakeSource()
    many = [RawToolCall(f"call{number:05}", "weather", f'{{"city": "{number}"}}') for number in range(20)]
    model = ScriptedModel(calls(*many), SAYS)
    await run(model, source)
    assert len(source.calls) == 16
    _, assistant, *results = model.prompts[1].messages
    assert [call.id for call in assistant.tool_calls] == [each.tool_call_id for each in results]
    assert len(results) == 16


async def test_cancelled_request_cancels_its_calls() -> None:
    source = FakeSource()
    source.hangs = True
    running = asyncio.create_task(run(ScriptedModel(calls(PORTO)), source))
    while not source.calls:
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert source.cancelled


async def test_prompt_with_a_schema_has_no_tools() -> None:
    model = ScriptedModel(SAYS)
    await run(model, prompt=Prompt(messages=ASKED.messages, json_schema={"type": "object"}))
    assert not model.prompts[0].tools


async def test_completion_that_asks_for_calls_is_kept_before_they_are_made() -> None:
    writer, kept, keys = FakeWriter(), [], []
    faro = RawToolCall("bbbbbbbbb", "weather", '{"city": "Faro"}')
    model = ScriptedModel(SAYS)

    class KeptModel(ChatModelProxy[ScriptedModel]):
        def __init__(self, journal: RequestJournal) -> None:
            self._model, self._journal = model, journal

        async def complete(self, prompt: Prompt) -> Completion:
            return await self._journal.complete("m", prompt, partial(model.complete, prompt), lambda _: None)

    def look(_: Mapping[str, Any]) -> str:
        kept.append(len(writer.values))
        return "rain"

    for answers in ([calls(PORTO), SAYS], [SAYS, calls(faro)]):
        model.answers, source = list(answers), FakeSource(look)
        tools = RequestTools([WEATHER], {"weather": source}, 4)
        tools.journal = RequestJournal(writer.next_owner(), 17, 17, 0)
        done = await ToolCallingModel(KeptModel(tools.journal), tools).complete(ASKED)
        assert done.text == "Mild."
        keys.append(source.keys)
    assert kept == [1, 1]
    assert keys[0] == keys[1], "the next owner calls the tool as the first one did"


async def test_model_that_calls_a_tool_in_the_last_round_is_asked_once_more_without_tools() -> None:
    wrong = InvalidOutput("called a tool instead of answering")
    model = ScriptedModel(calls(PORTO), wrong, SAYS)
    done, _ = await run(model, rounds=2)
    assert done.text == "Mild."
    assert (model.prompts[2].tools, model.prompts[2].messages[-1].role) == ((), "user")
    with pytest.raises(InvalidOutput):
        await run(ScriptedModel(calls(PORTO), wrong), rounds=2)
    with pytest.raises(InvalidOutput):
        await run(ScriptedModel(wrong), rounds=2)
