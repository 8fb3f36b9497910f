"""Tries, pauses and the circuit breaker, with a model that fails as the test tells it."""

import asyncio

import pytest

from carteiro.models.errors import (
    InvalidPrompt,
    Misconfigured,
    PromptTooLarge,
    QuotaExhausted,
    RateLimited,
    Unavailable,
)
from carteiro.models.interface import ChatModel, EmbeddingModel
from carteiro.models.prices import Price, PriceTable
from carteiro.models.results import Embeddings
from carteiro.schemas import Usage
from carteiro.worker.model_calls.budget import BudgetLimits, CostBudget, OverBudget
from carteiro.worker.model_calls.circuit_breaker import CircuitBreaker
from carteiro.worker.model_calls.retry import MAX_TRIES, RetryingCalls, retrying
from tests.conftest import eventually
from tests.unit.worker.failing_model import ASKED, DONE, FailingEmbedder, FailingModel, usage_meter

pytestmark = pytest.mark.usefixtures("no_pauses")


@pytest.fixture
async def with_breaker():
    breakers = []

    def make(model):
        breakers.append(CircuitBreaker(model, lambda: None))
        return breakers[-1], retrying(model, RetryingCalls(breakers[-1], usage_meter()))

    yield make
    for breaker in breakers:
        await breaker.stop_probing()


async def test_transient_failure_is_tried_again(with_breaker):
    model = FailingModel(Unavailable("502"), RateLimited("429", 0.001), Unavailable("timeout"))
    _, retried = with_breaker(model)
    assert await retried.complete(ASKED) == DONE
    assert (model.calls, model.probes) == (4, 0)


async def test_request_that_always_fails_uses_up_its_tries(with_breaker):
    """The model answers the probe, so it is up: only this request cannot be answered."""
    model = FailingModel(*[Unavailable("500")] * 50)
    breaker, retried = with_breaker(model)
    with pytest.raises(Unavailable):
        await retried.complete(ASKED)
    assert model.calls == MAX_TRIES
    assert model.probes > 0
    await eventually(lambda: not breaker.is_open)


async def test_caller_error_is_not_tried_again(with_breaker):
    model = FailingModel(InvalidPrompt("too hot"))
    _, retried = with_breaker(model)
    with pytest.raises(InvalidPrompt):
        await retried.complete(ASKED)
    assert model.calls == 1


@pytest.mark.parametrize("failure", [QuotaExhausted("unpaid"), Misconfigured("wrong key"), Unavailable("down")])
async def test_model_that_is_down_is_not_called_and_no_request_fails(with_breaker, failure):
    model = FailingModel(always=failure)
    breaker, _ = with_breaker(model)
    several = [
        asyncio.create_task(retrying(model, RetryingCalls(breaker, usage_meter())).complete(ASKED)) for _ in range(10)
    ]
    await eventually(lambda: breaker.confirmed_outages == 1)
    calls = model.calls
    probes = model.probes
    await eventually(lambda: model.probes > probes + 20)
    assert model.calls == calls <= 3
    assert breaker.is_open
    assert breaker.reason == failure.message
    assert not any(each.done() for each in several)
    model.always = None
    assert await asyncio.gather(*several) == [DONE] * 10
    assert not breaker.is_open


async def test_any_number_of_outages_fails_no_request(with_breaker):
    model = FailingModel()
    breaker, retried = with_breaker(model)
    for outage in range(1, 3 * MAX_TRIES):
        model.always = Unavailable("down")
        asking = asyncio.create_task(retried.complete(ASKED))
        await eventually(lambda outage=outage: breaker.confirmed_outages == outage)
        model.always = None
        assert await asking == DONE


async def test_rate_limits_never_use_up_tries(with_breaker):
    model = FailingModel(*[RateLimited("429", 0.0)] * 30)
    breaker, retried = with_breaker(model)
    assert await retried.complete(ASKED) == DONE
    assert not breaker.is_open


async def test_model_that_rejects_the_probe_is_up(with_breaker):
    model = FailingModel(Unavailable("500"), Unavailable("500"), Unavailable("500"))
    breaker, retried = with_breaker(model)
    model.always = InvalidPrompt("max_tokens is too small")
    with pytest.raises(InvalidPrompt):
        await retried.complete(ASKED)
    assert not breaker.is_open
    assert model.calls == 4


async def test_only_the_texts_of_a_failed_call_are_embedded_again(with_breaker):
    model = FailingEmbedder(Unavailable("502"), RateLimited("429", 0.001), most=2)
    _, retried = with_breaker(model)
    assert isinstance(retried, EmbeddingModel)
    assert not isinstance(retried, ChatModel)
    embedded = await retried.embed(["a", "b", "c"], input_type="query", dimensions=1)
    assert embedded == Embeddings([[1.0]] * 3, Usage(input_tokens=3))
    assert model.texts == [["a", "b"], ["a", "b"], ["a", "b"], ["c"]]
    assert await retried.embed([]) == Embeddings([], Usage())


async def test_cost_of_vectors_is_that_of_all_calls():
    prices = PriceTable({"test:model": Price(input=1e6, output=0)})
    meter = usage_meter(budget=CostBudget(prices, BudgetLimits(per_request=8)))
    model = FailingEmbedder(most=2)
    breaker = CircuitBreaker(model, lambda: None)
    embedded = await retrying(model, RetryingCalls(breaker, meter)).embed(["a", "b", "c"])
    assert embedded.usage == meter.usage == Usage(input_tokens=3, cost_usd=3.0)
    with pytest.raises(OverBudget):
        await retrying(model, RetryingCalls(breaker, meter)).embed(["letters"])


async def test_embedding_model_is_probed_with_a_text(with_breaker):
    model = FailingEmbedder(always=Misconfigured("wrong key"))
    _, retried = with_breaker(model)
    waiting = asyncio.create_task(retried.embed(["a"]))
    await eventually(lambda: model.probes > 2)
    assert model.calls == 1
    model.always = None
    assert (await waiting).vectors == [[1.0]]


async def test_first_call_of_a_request_has_rank_0_and_those_beside_and_after_it_have_higher_ranks(with_breaker):
    gates, ranks = [asyncio.Event() for _ in range(4)], []

    class GatedModel(FailingModel):
        async def complete(self, prompt):
            ranks.append(prompt.rank)
            await gates[len(ranks) - 1].wait()
            return await super().complete(prompt)

    _, retried = with_breaker(GatedModel())
    running = [asyncio.create_task(retried.complete(ASKED)) for _ in range(3)]
    await eventually(lambda: len(ranks) == 3)
    gates[0].set()
    assert await running[0] == DONE
    last = asyncio.create_task(retried.complete(ASKED))
    await eventually(lambda: len(ranks) == 4)
    assert ranks == [0, 1, 2, 3]
    for gate in gates:
        gate.set()
    await asyncio.gather(*running, last)


async def test_calls_of_a_request_one_after_the_other_all_have_rank_0(with_breaker):
    ranks = []

    class RankedModel(FailingModel):
        async def complete(self, prompt):
            ranks.append(prompt.rank)
            return await super().complete(prompt)

    _, retried = with_breaker(RankedModel())
    for _ in range(3):
        await retried.complete(ASKED)
    assert ranks == [0, 0, 0]


async def test_calls_after_a_prompt_that_was_too_large_leave_rank_0_to_other_requests(with_breaker):
    ranks = []

    class SmallModel(FailingModel):
        async def complete(self, prompt):
            ranks.append(prompt.rank)
            if len(ranks) == 1:
                raise PromptTooLarge("the prompt is too large")
            return await super().complete(prompt)

    _, retried = with_breaker(SmallModel())
    with pytest.raises(PromptTooLarge):
        await retried.complete(ASKED)
    for _ in range(2):
        await retried.complete(ASKED)
    assert ranks == [0, 1, 1]
