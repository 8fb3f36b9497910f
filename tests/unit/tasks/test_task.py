"""The parts of a task that asks a chat model: prompts, and completions that cannot be used."""

import pytest

from carteiro.models.errors import InvalidOutput
from carteiro.schemas import REQUESTS, Options
from carteiro.schemas.summarize import SummarizeRequest
from carteiro.tasks.task import build_prompt
from tests.unit.services.conftest import TASKS


async def test_unusable_completion_is_shown_to_the_model_once_and_paid_twice(ask, provider):
    before = len(provider.requests)
    good = '{"found": true, "answer": "1867", "quote": "In 1867"}'
    done = await ask("answer", ['{"found": "yes"}', good], question="When?", context="In 1867.")
    assert done.result.answer == "1867"
    first, second = provider.requests[before:]
    assert second.body["messages"][:-2] == first.body["messages"]
    shown, wrong = second.body["messages"][-2:]
    assert (shown["role"], shown["content"]) == ("assistant", '{"found": "yes"}')
    assert "found: Input should be a valid boolean" in wrong["content"]
    assert second.body["response_format"] == first.body["response_format"]


async def test_cut_completion_is_not_requested_again(ask, provider):
    before = len(provider.requests)
    with pytest.raises(InvalidOutput, match="cut by the limit"):
        await ask("answer", [('{"found": tr', "length")], question="When?", context="In 1867.")
    assert len(provider.requests) == before + 1


@pytest.mark.parametrize("task", ["chat", "generate", "summarize", "translate"])
@pytest.mark.parametrize("output", ["", " \n "])
async def test_empty_completion_is_invalid_output(ask, task, output):
    request = {
        "chat": {"messages": [{"role": "user", "content": "Hi"}]},
        "generate": {"prompt": "Hi"},
        "summarize": {"text": "Hi"},
        "translate": {"text": "Hi", "target": "fr"},
    }[task]
    with pytest.raises(InvalidOutput, match="wrote nothing"):
        await ask(task, [output], **request)


def test_limit_of_the_service_yields_to_that_of_the_request() -> None:
    own = build_prompt(SummarizeRequest(text="x"), [], max_output_tokens=5)
    assert (own.max_output_tokens, own.service_options) == (5, {"max_output_tokens"})
    asked = build_prompt(SummarizeRequest(text="x", options=Options(max_output_tokens=9)), [], max_output_tokens=5)
    assert (asked.max_output_tokens, asked.service_options) == (9, frozenset())


def test_options_reach_the_prompt() -> None:
    options = Options(top_p=0.5, stop=["END"], reasoning_effort="low", service_tier="flex", prompt_cache_key="k")
    prompt = build_prompt(SummarizeRequest(text="x", options=options), [])
    assert (prompt.top_p, prompt.stop, prompt.reasoning) == (0.5, ["END"], "low")
    assert (prompt.service_tier, prompt.cache_key, prompt.service_options) == ("flex", "k", frozenset())


def test_task_has_the_name_and_the_streaming_of_its_request() -> None:
    assert [(task.name, task.streams) for task in TASKS.values()] == [
        (name, request.streams) for name, request in REQUESTS.items()
    ]
