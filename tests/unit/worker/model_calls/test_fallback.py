"""The fallback chain: the order of the models, the failures that lead to the next model, and the way back."""

import asyncio

import pytest

from carteiro.models.errors import (
    ContentFiltered,
    InvalidOutput,
    InvalidPrompt,
    Misconfigured,
    PromptTooLarge,
    QuotaExhausted,
    RateLimited,
    Refused,
    Unavailable,
    Unsupported,
)
from carteiro.worker.model_calls import fallback as chain_module
from carteiro.worker.model_calls.budget import OverBudget
from carteiro.worker.model_calls.circuit_breaker import CircuitBreaker
from carteiro.worker.model_calls.fallback import FallbackChain, FallbackRun, ModelTarget
from tests.conftest import eventually
from tests.unit.worker.failing_model import ASKED, FailingModel, usage_meter

pytestmark = pytest.mark.usefixtures("no_pauses")


@pytest.fixture
async def chained():
    breakers = []

    def make(*models):
        targets = [ModelTarget(model, CircuitBreaker(model, lambda: None)) for model in models]
        breakers.extend(target.circuit_breaker for target in targets)
        return FallbackChain(targets)

    yield make
    for breaker in breakers:
        await breaker.stop_probing()


async def ask(chain):
    attempts = FallbackRun(chain, usage_meter())
    await attempts.run(lambda model: model.complete(ASKED))
    return attempts.model.name


def two(*failures, always=None):
    return FailingModel(*failures, always=always, name="first"), FailingModel(name="second")


PASSED_ON = [
    Unavailable("down"),
    RateLimited("slowly", 30),
    QuotaExhausted("unpaid"),
    Misconfigured("wrong key"),
    PromptTooLarge("long"),
    Unsupported("no"),
    InvalidOutput("no JSON"),
    OverBudget("dear"),
]


@pytest.mark.parametrize("failure", PASSED_ON, ids=lambda each: type(each).__name__)
async def test_model_failure_leads_to_the_next_model(chained, failure):
    first, second = two(always=failure)
    assert await ask(chained(first, second)) == "second"
    assert second.calls == 1


@pytest.mark.parametrize("failure", [InvalidPrompt("?"), Refused("no"), ContentFiltered("no")])
async def test_failure_common_to_all_models_does_not_lead_to_the_next_model(chained, failure):
    first, second = two(failure)
    with pytest.raises(type(failure)):
        await ask(chained(first, second))
    assert second.calls == 0


async def test_single_transient_failure_does_not_lead_to_the_next_model(chained):
    first, second = two(Unavailable("502"))
    assert await ask(chained(first, second)) == "first"
    assert (first.calls, second.calls) == (2, 0)


async def test_short_rate_limit_is_waited_for(chained):
    first, second = two(RateLimited("429", 0.01))
    assert await ask(chained(first, second)) == "first"


async def test_model_that_is_down_is_not_called_until_a_probe_succeeds(chained):
    first, second = two(always=Unavailable("down"))
    chain = chained(first, second)
    for _ in range(3):
        assert await ask(chain) == "second"
    calls = first.calls
    await eventually(lambda: chain.targets[0].circuit_breaker.confirmed_outages == 1)
    assert [await ask(chain) for _ in range(5)] == ["second"] * 5
    assert first.calls == calls
    assert chain.pause_reason is None, "the second takes requests"
    first.always = None
    await eventually(lambda: not chain.targets[0].is_unavailable)
    assert await ask(chain) == "first"


async def test_outage_of_all_models_fails_no_request_and_the_first_to_recover_answers(chained):
    first, second = two(always=Unavailable("down"))
    second.always = Unavailable("also down")
    chain = chained(first, second)
    asking = [asyncio.create_task(ask(chain)) for _ in range(5)]
    await eventually(lambda: chain.pause_reason is not None)
    second.always = None
    assert await asyncio.gather(*asking) == ["second"] * 5


async def test_cool_down_of_all_models_causes_no_busy_loop(chained, monkeypatch):
    first, second = FailingModel(name="first"), FailingModel(name="second")
    chain = chained(first, second)
    acquisitions, naps = 0, []
    enter = CircuitBreaker.acquire

    async def counted(breaker, **how):
        nonlocal acquisitions
        acquisitions += 1
        await enter(breaker, **how)

    async def nap(seconds):
        naps.append(seconds)
        for target in chain.targets:
            target.circuit_breaker._cool_down_until -= seconds

    for target in chain.targets:
        target.circuit_breaker.cool_down(30)
    monkeypatch.setattr(CircuitBreaker, "acquire", counted)
    monkeypatch.setattr(chain_module, "sleep_with_jitter", nap)
    assert await ask(chain) == "first"
    assert acquisitions < 10
    assert 29 < max(naps) < 40


async def test_model_with_the_earliest_cool_down_end_is_called(chained):
    first, second = FailingModel(name="first"), FailingModel(name="second")
    chain = chained(first, second)
    chain.targets[0].circuit_breaker.cool_down(60)
    chain.targets[1].circuit_breaker.cool_down(2.2)  # A wait of two seconds is too short to call another model.
    assert await ask(chain) == "second"


async def test_request_that_no_model_can_answer_is_given_up(chained):
    """Both models answer probes, so both are up."""
    first, second = (
        FailingModel(*[Unavailable("500")] * 99, name="first"),
        FailingModel(*[Unavailable("500")] * 99, name="second"),
    )
    with pytest.raises(Unavailable):
        await ask(chained(first, second))
    assert first.calls <= 2 * chain_module._MAX_ROUNDS
    assert second.calls <= 2 * chain_module._MAX_ROUNDS


async def test_tries_are_counted_over_all_models(chained):
    first, second = two(always=QuotaExhausted("unpaid"))
    attempts = FallbackRun(chained(first, second), usage_meter())
    await attempts.run(lambda model: model.complete(ASKED))
    assert attempts.tries == 2


async def test_request_can_name_its_model(chained):
    first, second = FailingModel(name="openai:large"), FailingModel(name="local:small")
    chain = chained(first, second)
    assert await ask(chain.restricted_to("small")) == "local:small"
    assert await ask(chain.restricted_to("openai:large")) == "openai:large"
    assert chain.restricted_to("medium") is None
