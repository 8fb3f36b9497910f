"""All tasks with all providers of the catalogue, whole and streamed, through the worker's own tries."""

import asyncio
import json
import os
import re
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from unittest.mock import AsyncMock

import pytest

from carteiro.models.cloud.format_negotiation import MAX_CALLS
from carteiro.models.cloud.quota import controller
from carteiro.models.errors import (
    ContentFiltered,
    InvalidOutput,
    InvalidPrompt,
    Misconfigured,
    ModelError,
    PromptTooLarge,
    QuotaExhausted,
    RateLimited,
    Unavailable,
    Unsupported,
)
from carteiro.models.prompt import Message, Prompt
from carteiro.models.registry import open_model
from carteiro.models.settings import ModelSettings
from carteiro.schemas import REQUESTS
from carteiro.tasks.discovery import find_tasks
from carteiro.worker.model_calls.chat_model_proxy import with_streaming
from carteiro.worker.model_calls.circuit_breaker import CircuitBreaker
from carteiro.worker.model_calls.fallback import FallbackChain, FallbackRun, ModelTarget
from carteiro.worker.reply_stream import ReplyStream
from carteiro.worker.tools.request_tools import RequestTools
from carteiro.worker.tools.tool_loop import ToolCallingModel
from tests.provider.catalogue import BEHAVIOURS, Behaviour, CatalogueProvider
from tests.provider.catalogue.fake_model import AFTER_TOOLS, THOUGHT_WORD
from tests.unit.worker.failing_model import usage_meter
from tests.unit.worker.tools.fake_source import WEATHER as SERVED
from tests.unit.worker.tools.fake_source import FakeSource

pytestmark = pytest.mark.usefixtures("no_pauses")

TASKS = {task.name: task for task in find_tasks()}
TEXT = "Bom dia 👋 from Lisbon, where the café opens at nine, and by then the first tram is full and gone."
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
REQUEST: dict[str, Any] = {
    "generate": {"prompt": TEXT},
    "translate": {"text": TEXT, "target": "pt"},
    "chat": {"messages": [{"role": "user", "content": TEXT}]},
    "generate-json": {"prompt": TEXT, "json_schema": SCHEMA},
    "sentiment": {"text": TEXT, "labels": ["calm", "angry"]},
    "answer": {"question": "When?", "context": TEXT},
    "summarize": {"text": TEXT},
}
WITHOUT_TOOLS = ("openai-completions", "perplexity", "vllm-0.5")
STREAMED = [name for name in REQUEST if name in TASKS and TASKS[name].streams]
CASES = [*((name, False) for name in REQUEST), *((name, True) for name in STREAMED)]
CUT = 16
"""Lower limit in tokens: OpenAI's Responses API accepts no smaller one."""
PROMPT = Prompt(messages=[Message("user", "one two three")])
PAUSES_ALL = (QuotaExhausted, Misconfigured)
FAILURES: dict[str, type[ModelError] | tuple[type[ModelError], ...]] = {
    "rate_limited": RateLimited,
    "capacity": RateLimited,
    "unpaid": QuotaExhausted,
    "too_large": PromptTooLarge,
    "filtered": ContentFiltered,
    "invalid_output": InvalidOutput,
    "wrong_key": Misconfigured,
    "unknown_model": Misconfigured,
    "overloaded": (Unavailable, RateLimited),
    "unaffordable": ModelError,
    "passing": ModelError,
}

ERRORS = [
    (name, kind, streamed)
    for name, each in BEHAVIOURS.items()
    for streamed in (False, True)
    if ("stream_errors" if streamed else "errors") in vars(type(each))
    for kind in (each.stream_errors if streamed else each.errors)
]

behaviours = pytest.mark.parametrize("behaviour", BEHAVIOURS.values(), ids=list(BEHAVIOURS))


@pytest.fixture(autouse=True)
def _nobodys_environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith(("OPENAI_", "AZURE_", "GEMINI_", "GOOGLE_", "CARTEIRO_")):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _no_slow_start(monkeypatch):
    """Let a call follow a rejected one at once. These tests check the requests, not their timing."""
    monkeypatch.setattr(controller, "FIRST_DOUBLING_SECONDS", 0.0)


@asynccontextmanager
async def playing(behaviour: Behaviour):
    """Run a fake provider with this behaviour, and yield its model as the settings would open it."""
    async with CatalogueProvider(behaviour) as provider:
        name, settings = behaviour.settings(provider.root)
        model = open_model(name, ModelSettings(**settings))
        yield provider, model
        await model.close()


async def ask(model, case: str, *, streamed: bool = False, messages=None, tools=(), **options: Any):
    """Return the function that sends a request and returns the worker's reply with its streamed chunks."""
    task = TASKS[case.partition("-")[0]]
    fields = REQUEST[case] if messages is None else {"messages": messages, "tools": list(tools)}
    request = REQUESTS[task.name].model_validate({**fields, "options": options})
    pieces = []

    async def send(piece):
        pieces.append(piece)

    breaker = CircuitBreaker(model, lambda: None)
    stream = ReplyStream(task.name, "t/0/1", send) if streamed else None
    try:
        async with asyncio.timeout(20):
            attempts = FallbackRun(FallbackChain([ModelTarget(model, breaker)]), usage_meter(), stream)
            done = await attempts.run(lambda model_run: task.run(request, model_run))
            if stream:
                await stream.end()
    finally:
        await breaker.stop_probing()
    return done, "".join(piece.text for piece in pieces if piece.attempt == pieces[-1].attempt)


def check(case: str, done) -> None:
    """Check that the result is what the fake model answers to this request."""
    result = done.result
    assert THOUGHT_WORD not in result.model_dump_json()
    assert done.usage.output_tokens > 0
    assert done.finish_reason == "stop"
    match case:
        case "generate":
            assert result.text.strip() == TEXT
        case "chat":
            assert result.message.content.strip() == TEXT
        case "translate":
            assert result.text.endswith(TEXT)
        case "generate-json":
            assert result.data == {"name": "text", "age": 0}
        case "sentiment":
            assert result.scores == {"calm": 0.5, "angry": 0.5}
        case "answer":
            assert (result.found, result.answer) == (True, "text")
        case "summarize":
            assert TEXT in result.summary


@behaviours
@pytest.mark.parametrize(("case", "streamed"), CASES)
async def test_every_provider_serves_every_task_and_its_options_are_learnt_once(behaviour, case, streamed):
    async with playing(behaviour) as (provider, model):
        done, shown = await ask(model, case, streamed=streamed)
        check(case, done)
        if streamed:
            assert shown.strip() == (done.result.message.content if case == "chat" else done.result.text).strip()
        assert len(provider.requests) <= behaviour.steps
        provider.requests.clear()
        done, shown = await ask(model, case, streamed=streamed)
        check(case, done)
        assert len(provider.requests) == 1


@behaviours
async def test_callers_limit_is_sent_under_the_providers_name(behaviour):
    async with playing(behaviour) as (provider, model):
        for calls in (behaviour.steps, 1):
            provider.requests.clear()
            done, _ = await ask(model, "generate", max_output_tokens=4000)
            check("generate", done)
            assert len(provider.requests) <= calls
            assert behaviour.limit(provider.requests[-1].body) == 4000


@pytest.mark.parametrize("streamed", [False, True])
@behaviours
async def test_callers_limit_cuts_the_answer_and_shows_no_thinking(behaviour, streamed):
    async with playing(behaviour) as (provider, model):
        asking = ask(model, "generate", streamed=streamed, max_output_tokens=CUT)
        if behaviour.thinks > CUT and behaviour.shown != "</think>":
            with pytest.raises(InvalidOutput):
                await asking
        elif not behaviour.thinks:
            done, _ = await asking
            assert done.finish_reason == "length"
            assert done.result.text.split() == TEXT.split()[:CUT]
        else:
            asking.close()
        assert len(provider.requests) - provider.refused <= 1


@behaviours
@pytest.mark.parametrize(("option", "value"), [("seed", 7), ("temperature", 0.2), ("top_p", 0.5)])
async def test_callers_option_is_sent_or_unsupported(behaviour, option, value):
    async with playing(behaviour) as (provider, model):
        [outcome] = await asyncio.gather(ask(model, "generate", **{option: value}), return_exceptions=True)
        if isinstance(outcome, Unsupported):
            assert provider.refused == len(provider.requests)
            assert option in outcome.message
        else:
            assert isinstance(outcome, tuple), outcome
            check("generate", outcome[0])
            assert value in provider.requests[-1].body.values()


@behaviours
@pytest.mark.parametrize("effort", ["none", "low", "high"])
async def test_amount_of_thinking_is_served_or_unsupported_and_never_shown(behaviour, effort):
    async with playing(behaviour) as (provider, model):
        for calls in (MAX_CALLS, 1):
            provider.requests.clear()
            [outcome] = await asyncio.gather(ask(model, "generate", reasoning_effort=effort), return_exceptions=True)
            if isinstance(outcome, Unsupported | InvalidPrompt):
                assert effort != "none", "none is the least that the model has"
                assert "reason" in outcome.message or "think" in outcome.message
                continue
            assert isinstance(outcome, tuple), outcome
            check("generate", outcome[0])
            assert len(provider.requests) <= calls


@behaviours
async def test_stop_and_cache_key_never_cost_an_answer(behaviour):
    async with playing(behaviour) as (provider, model):
        for calls in (MAX_CALLS, 1):
            provider.requests.clear()
            done, _ = await ask(model, "generate", stop=[" opens"], prompt_cache_key="team-a")
            assert done.result.text.strip() == TEXT.partition(" opens")[0]
            assert len(provider.requests) <= calls


async def test_several_providers_stand_in_one_chain_each_with_its_own_key():
    names = ("groq", "anthropic", "mistral")
    async with CatalogueProvider(BEHAVIOURS["groq"]) as groq, CatalogueProvider(BEHAVIOURS["anthropic"]) as anthropic:
        played = {"groq": groq, "anthropic": anthropic}
        groq.error_kind = "wrong_key"
        named = [BEHAVIOURS[name].settings(played.get(name, groq).root) for name in names]
        keys = {"GROQ_API_KEY": "sk-groq", "ANTHROPIC_API_KEY": "sk-ant", "MISTRAL_API_KEY": "sk-mistral"}
        settings = ModelSettings(**{name: value for _, each in named for name, value in (each | keys).items()})
        models = [open_model(name, settings) for name, _ in named]
        targets = [ModelTarget(model, CircuitBreaker(model, lambda: None)) for model in models]
        request = REQUESTS["generate"].model_validate(REQUEST["generate"])
        attempts = FallbackRun(FallbackChain(targets), usage_meter(), None)
        done = await attempts.run(lambda model_run: TASKS["generate"].run(request, model_run))
        for target in targets:
            await target.circuit_breaker.stop_probing()
        for model in models:
            await model.close()
    assert done.result.text.strip() == TEXT
    assert {each.headers["Authorization"] for each in groq.requests} == {"Bearer sk-groq"}
    assert {each.headers["Authorization"] for each in anthropic.requests} == {"Bearer sk-ant"}


@pytest.mark.parametrize(("name", "kind", "streamed"), ERRORS)
async def test_every_provider_error_has_the_matching_code(name, kind, streamed):
    async with playing(BEHAVIOURS[name]) as (provider, model):
        provider.error_kind = kind
        with pytest.raises(ModelError) as caught:
            await (model.stream(PROMPT, lambda text: None) if streamed else model.complete(PROMPT))
    failure = caught.value
    assert isinstance(failure, FAILURES[kind])
    if kind not in ("unpaid", "wrong_key", "unknown_model"):
        assert not isinstance(failure, PAUSES_ALL)
    assert kind != "unaffordable" or not isinstance(failure, RateLimited | Unavailable)
    waits = None if streamed else BEHAVIOURS[name].errors[kind].waits
    if waits is not None:
        assert failure.retry_after == pytest.approx(waits)


WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@behaviours
@pytest.mark.parametrize("streamed", [False, True])
async def test_every_provider_that_chats_calls_tools_and_reads_their_results(behaviour, streamed):
    async with playing(behaviour) as (provider, model):
        messages = [{"role": "user", "content": "Where is it warm?"}]
        if behaviour.name in WITHOUT_TOOLS:
            with pytest.raises(Unsupported):
                await ask(model, "chat", streamed=streamed, messages=messages, tools=[WEATHER])
            return
        done, shown = await ask(model, "chat", streamed=streamed, messages=messages, tools=[WEATHER])
        message = json.loads(done.result.message.model_dump_json())
        assert [(call["name"], call["arguments"]) for call in message["tool_calls"]] == [
            ("weather", {"city": "Porto"}),
            ("weather", {"city": "Faro"}),
        ]
        assert (done.finish_reason, shown) == ("tool_calls", "")
        results = [{"role": "tool", "tool_call_id": call["id"], "content": "17"} for call in message["tool_calls"]]
        done, _ = await ask(model, "chat", streamed=streamed, messages=[*messages, message, *results], tools=[WEATHER])
        assert (done.result.message.content.strip(), done.finish_reason) == (AFTER_TOOLS, "stop")
        sent = json.dumps(provider.requests[-1].body)
        for call in message["tool_calls"]:
            assert sent.count(call["id"]) == 2, "the call and its result"
            assert re.fullmatch("[A-Za-z0-9]{9}", call["id"]), "Mistral takes no other ids"
        assert ("EqQB" in sent) is (behaviour.name == "gemini"), "the signature goes back to Gemini"


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("name", ["anthropic", "anthropic-adaptive"])
async def test_thinking_before_calls_of_served_tools_goes_back_with_their_results(name, streamed):
    prompt = Prompt(messages=[Message("user", "Where is it warm?")], reasoning="high")
    async with playing(BEHAVIOURS[name]) as (provider, model):
        tools = RequestTools([SERVED], {"weather": FakeSource()}, 4)
        stream = ReplyStream("chat", "t/0/1", AsyncMock()) if streamed else None
        done = await ToolCallingModel(with_streaming(model, stream), tools).complete(prompt)
        if stream:
            await stream.end()
        assert (done.text.strip(), len(tools.steps)) == (AFTER_TOOLS, 2)
        first, second = (request.body for request in provider.requests)
        assert first["thinking"] == second["thinking"]
        blocks = [block["type"] for block in second["messages"][1]["content"]]
        assert blocks == ["thinking", "tool_use", "tool_use"]


@pytest.mark.parametrize("streamed", [False, True])
async def test_encrypted_thinking_before_calls_of_served_tools_goes_back_with_their_results(streamed):
    async with playing(BEHAVIOURS["openai-responses"]) as (provider, model):
        tools = RequestTools([SERVED], {"weather": FakeSource()}, 4)
        stream = ReplyStream("chat", "t/0/1", AsyncMock()) if streamed else None
        asked = Prompt(messages=[Message("user", "Where is it warm?")])
        done = await ToolCallingModel(with_streaming(model, stream), tools).complete(asked)
        if stream:
            await stream.end()
        assert (done.text.strip(), provider.refused) == (AFTER_TOOLS, 0)
        sent = provider.requests[-1].body["input"]
        kinds = ["message", "reasoning", *["function_call"] * 2, *["function_call_output"] * 2]
        assert [item.get("type", "message") for item in sent] == kinds
        assert sent[1]["encrypted_content"] == "gAAA"


@pytest.mark.parametrize("name", ["anthropic", "anthropic-adaptive"])
async def test_results_of_a_callers_tools_are_read_although_the_thinking_before_the_calls_is_gone(name):
    async with playing(BEHAVIOURS[name]) as (provider, model):
        messages = [{"role": "user", "content": "Where is it warm?"}]
        asked = partial(ask, model, "chat", tools=[WEATHER], reasoning_effort="high")
        done, _ = await asked(messages=messages)
        message = json.loads(done.result.message.model_dump_json())
        assert THOUGHT_WORD not in json.dumps(message)
        results = [{"role": "tool", "tool_call_id": call["id"], "content": "17"} for call in message["tool_calls"]]
        done, _ = await asked(messages=[*messages, message, *results])
        assert (done.result.message.content.strip(), provider.refused) == (AFTER_TOOLS, 0)
        assert ("thinking" in provider.requests[-1].body) is (name == "anthropic-adaptive")


@pytest.mark.parametrize("by_name", [True, False])
async def test_thinking_is_returned_to_deepseek_and_to_a_server_that_demands_it(by_name):
    async with CatalogueProvider(BEHAVIOURS["deepseek-reasoner"]) as provider:
        name, settings = BEHAVIOURS["deepseek-reasoner"].settings(provider.root)
        model = open_model(name if by_name else f"{provider.root}#deepseek-reasoner", ModelSettings(**settings))
        tools = RequestTools([SERVED], {"weather": FakeSource()}, 4)
        done = await ToolCallingModel(model, tools).complete(Prompt(messages=[Message("user", "Where is it warm?")]))
        await model.close()
    assert (done.text.strip(), provider.refused) == (AFTER_TOOLS, 0 if by_name else 1)
    assert provider.requests[-1].body["messages"][1]["reasoning_content"] == THOUGHT_WORD
