"""Tokens of calls without a completion: by the provider's count, or by an estimate."""

import asyncio
import json

import pytest

from carteiro.models.cloud.call_usage import usage_of
from carteiro.models.cloud.client import CloudModel
from carteiro.models.cloud.quota import Quota, QuotaController
from carteiro.models.errors import ContentFiltered, ModelError, Refused, Unavailable, attached_usage
from carteiro.models.prompt import Prompt
from carteiro.schemas import Usage
from tests.conftest import eventually
from tests.provider.completions import completion
from tests.provider.streams import begin, write
from tests.unit.models.cloud.cloud_models import HANGING_FAULTS, PROMPT, endpoint, expect_failure

USED = {"prompt_tokens": 40, "completion_tokens": 7, "total_tokens": 47}


def answered(content, finish_reason, usage=USED, **message):
    return completion({"model": "echo"}, content, finish_reason, **message) | {"usage": usage}


def prompt_tokens(model):
    return sum(model.count_tokens(message.content) for message in PROMPT.messages)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (answered("half of", "content_filter"), ContentFiltered),
        (answered(None, "stop", refusal="I cannot."), Refused),
        (answered(None, "tool_calls"), ModelError),
        ({"choices": [], "usage": USED}, ModelError),
        ({"what": "is this", "usage": USED}, ModelError),
    ],
)
async def test_invalid_answer_costs_its_usage(provider, model, body, kind):
    provider.answer(body)
    failed = await expect_failure(model)
    assert isinstance(failed, kind)
    assert attached_usage(failed) == Usage(input_tokens=40, output_tokens=7)


async def test_a_filtered_answer_without_usage_costs_its_prompt_and_what_was_written(provider, model):
    provider.answer(answered("half of an answer", "content_filter", None))
    usage = attached_usage(await expect_failure(model))
    assert usage.input_tokens == prompt_tokens(model)
    assert usage.output_tokens > 0


TURNED_DOWN = ["400", "context", "filter-prompt", "401", "404", "500", "503", "429", "quota", "402"]


@pytest.mark.parametrize("fault", TURNED_DOWN)
async def test_refused_call_costs_nothing(provider, model, fault):
    provider.next(fault)
    assert attached_usage(await expect_failure(model)) is None


async def test_an_error_in_place_of_an_answer_costs_nothing(provider, model):
    provider.next("error-as-200")
    assert attached_usage(await expect_failure(model)) is None


async def test_a_call_that_never_arrives_costs_nothing_and_reserves_nothing(unused_tcp_port):
    controller = QuotaController(tokens_per_minute=1_000_000)
    model = CloudModel(
        "openai:echo", endpoint(f"http://127.0.0.1:{unused_tcp_port}/v1"), timeout=30, quota=Quota(controller)
    )
    assert attached_usage(await expect_failure(model)) is None
    assert controller._tokens._sliding_window.amount_spent(0) == 0
    await model.close()


@pytest.mark.parametrize("fault", ["400", "context", "401", "404"])
async def test_refused_call_returns_its_tokens(provider, fault):
    controller = QuotaController(tokens_per_minute=1_000_000)
    model = CloudModel("openai:echo", endpoint(provider.url), timeout=30, quota=Quota(controller))
    provider.next(fault)
    await expect_failure(model)
    assert controller._tokens._sliding_window.amount_spent(0) == 0
    await model.close()


@pytest.mark.parametrize("fault", [*HANGING_FAULTS, "cut", "not-json"])
async def test_a_call_without_a_whole_answer_costs_its_prompt(provider, fault):
    model = CloudModel("openai:echo", endpoint(provider.url), timeout=0.3)
    provider.next(fault)
    failed = await expect_failure(model)
    assert isinstance(failed, Unavailable)
    assert attached_usage(failed).input_tokens == prompt_tokens(model)
    await model.close()


async def cancelled(asking):
    asking.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await asking
    return attached_usage(caught.value)


async def test_a_call_that_is_cancelled_costs_its_prompt(provider, model):
    provider.hold()
    asking = asyncio.create_task(model.complete(PROMPT))
    await eventually(lambda: provider.requests)
    assert await cancelled(asking) == Usage(input_tokens=prompt_tokens(model))


async def test_a_call_that_is_cancelled_while_it_waits_for_the_quota_costs_nothing(provider):
    controller = QuotaController(requests_per_minute=1)
    model = CloudModel("openai:echo", endpoint(provider.url), timeout=30, quota=Quota(controller))
    await model.complete(PROMPT)
    asking = asyncio.create_task(model.complete(PROMPT))
    await eventually(lambda: model._quota._lock._is_held)
    assert await cancelled(asking) is None
    assert len(provider.requests) == 1
    await model.close()


def words_and_then(number, then):
    async def answer(request, body):
        response = await begin(request)
        for _ in range(number):
            piece = {"choices": [{"index": 0, "delta": {"content": "word "}, "finish_reason": None}]}
            await write(response, piece)
        return await then(request, response)

    return answer


async def _hang(request, response):
    await asyncio.Event().wait()


async def _break(request, response):
    request.transport.abort()
    return response


async def _error(request, response):
    await response.write(f"data: {json.dumps({'error': {'message': 'down', 'code': 502}})}\n\n".encode())
    return response


async def test_a_stream_that_is_cancelled_costs_what_was_streamed(provider, model):
    provider._next.append(words_and_then(300, _hang))
    heard = []
    asking = asyncio.create_task(model.stream(PROMPT, heard.append))
    await eventually(lambda: len("".join(heard)) == 1500)
    usage = await cancelled(asking)
    assert usage == Usage(input_tokens=prompt_tokens(model), output_tokens=model.count_tokens("word " * 300))


@pytest.mark.parametrize("then", [_hang, _break, _error])
async def test_a_stream_that_fails_costs_what_was_streamed(provider, then):
    model = CloudModel("openai:echo", endpoint(provider.url), timeout=2)
    provider._next.append(words_and_then(300, then))
    with pytest.raises(ModelError) as caught:
        await model.stream(PROMPT, lambda text: None)
    assert attached_usage(caught.value).output_tokens == model.count_tokens("word " * 300)
    await model.close()


async def test_huge_limit_delays_no_call(provider):
    controller = QuotaController(tokens_per_minute=100_000)
    model = CloudModel("openai:echo", endpoint(provider.url), timeout=30, quota=Quota(controller))
    provider.hold()
    first = asyncio.create_task(model.complete(Prompt(messages=PROMPT.messages, max_output_tokens=10**400)))
    others = [asyncio.create_task(model.complete(PROMPT)) for _ in range(3)]
    await eventually(lambda: len(provider.requests) == 4)
    provider.release()
    await asyncio.gather(first, *others)
    await model.close()


@pytest.mark.parametrize("answer", [None, [], "usage", {"usage": None}, {"usage": [1]}, {"usage": {}}, {"usage": 5}])
def test_an_answer_without_usage_has_none(answer):
    assert usage_of(answer) is None


def test_usage_is_read_in_the_words_of_every_api():
    chat = {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 3}}
    responses = {"input_tokens": 5, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 3}}
    expected = Usage(input_tokens=5, output_tokens=2, cached_input_tokens=3)
    assert usage_of({"usage": chat}) == usage_of({"response": {"usage": responses}}) == expected
    thought = Usage(input_tokens=5, output_tokens=9, reasoning_tokens=7)
    assert usage_of({"usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 14}}) == thought
