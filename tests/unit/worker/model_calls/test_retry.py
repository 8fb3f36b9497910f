"""Tries, pauses and the circuit breaker, with a model that fails as the test tells it."""

import asyncio

import pytest

from carteiro.models.errors import InvalidPrompt, Misconfigured, QuotaExhausted, RateLimited, Unavailable
from carteiro.worker.model_calls.circuit_breaker import CircuitBreaker
from carteiro.worker.model_calls.retry import MAX_TRIES, RetryingModel
from tests.conftest import eventually
from tests.unit.worker.failing_model import ASKED, DONE, FailingModel, usage_meter

pytestmark = pytest.mark.usefixtures("no_pauses")


@pytest.fixture
async def with_breaker():
    breakers = []

    def make(model):
        breakers.append(CircuitBreaker(model, lambda: None))
        return breakers[-1], RetryingModel(breakers[-1], usage_meter())

    yield make
    for breaker in breakers:
        await breaker.stop_probing()


async def test_transient_failure_is_tried_again(with_breaker):
    model = FailingModel(Unavailable("502"), RateLimited("429", 0.001), Unavailable("timeout"))
    _, retried = with_breaker(model)
    assert await retried.complete(ASKED) == DONE
    assert (model.calls, model.probes, retried.tries) == (4, 0, 4)


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
    several = [asyncio.create_task(RetryingModel(breaker, usage_meter()).complete(ASKED)) for _ in range(10)]
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
