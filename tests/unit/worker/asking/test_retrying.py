"""Tries, pauses and parking, against a model that fails as it is told."""

import asyncio

import pytest

from carteiro.models.failures import InvalidPrompt, Misconfigured, QuotaExhausted, RateLimited, Unavailable
from carteiro.worker.asking.parking import Gate
from carteiro.worker.asking.retrying import MOST_TRIES, Retrying, may_fail_in_passing
from tests.conftest import eventually
from tests.unit.worker.failing_model import ASKED, DONE, Model, bill

pytestmark = pytest.mark.usefixtures("no_pauses")


@pytest.fixture
async def gated():
    gates = []

    def make(model):
        gates.append(Gate(model, lambda: None))
        return gates[-1], Retrying(gates[-1], bill())

    yield make
    for gate in gates:
        await gate.close()


async def test_a_passing_fault_is_tried_again(gated):
    model = Model(Unavailable("502"), RateLimited("429", 0.001), Unavailable("timeout"))
    _, retried = gated(model)
    assert await retried.complete(ASKED) == DONE
    assert (model.calls, model.probes, retried.tries) == (4, 0, 4)


async def test_a_request_that_alone_fails_uses_up_its_tries(gated):
    """The model answers the probe, so it is not down: it is the request that it cannot answer."""
    model = Model(*[Unavailable("500")] * 50)
    gate, retried = gated(model)
    with pytest.raises(Unavailable):
        await retried.complete(ASKED)
    assert model.calls == MOST_TRIES
    assert model.probes > 0
    await eventually(lambda: not gate.parked)


async def test_what_the_caller_did_wrong_is_not_tried_again(gated):
    model = Model(InvalidPrompt("too hot"))
    _, retried = gated(model)
    with pytest.raises(InvalidPrompt):
        await retried.complete(ASKED)
    assert model.calls == 1


@pytest.mark.parametrize("failure", [QuotaExhausted("unpaid"), Misconfigured("wrong key"), Unavailable("down")])
async def test_a_model_that_is_down_is_left_alone_and_nothing_fails_meanwhile(gated, failure):
    model = Model(always=failure)
    gate, _ = gated(model)
    several = [asyncio.create_task(Retrying(gate, bill()).complete(ASKED)) for _ in range(10)]
    await eventually(lambda: gate.outages == 1)
    calls = model.calls
    probes = model.probes
    await eventually(lambda: model.probes > probes + 20)
    assert model.calls == calls <= 3
    assert gate.parked
    assert gate.reason == failure.message
    assert not any(each.done() for each in several)
    model.always = None
    assert await asyncio.gather(*several) == [DONE] * 10
    assert not gate.parked


async def test_any_number_of_outages_fail_nobody(gated):
    model = Model()
    gate, retried = gated(model)
    for outage in range(1, 3 * MOST_TRIES):
        model.always = Unavailable("down")
        asking = asyncio.create_task(retried.complete(ASKED))
        await eventually(lambda outage=outage: gate.outages == outage)
        model.always = None
        assert await asking == DONE


async def test_rate_limits_never_use_up_tries(gated):
    model = Model(*[RateLimited("429", 0.0)] * 30)
    gate, retried = gated(model)
    assert await retried.complete(ASKED) == DONE
    assert not gate.parked


async def test_a_model_that_turns_the_probe_down_is_up(gated):
    model = Model(Unavailable("500"), Unavailable("500"), Unavailable("500"))
    gate, retried = gated(model)
    model.always = InvalidPrompt("max_tokens is too small")
    with pytest.raises(InvalidPrompt):
        await retried.complete(ASKED)
    assert not gate.parked
    assert model.calls == 4


def test_only_models_elsewhere_have_a_gate():
    assert may_fail_in_passing(Model())
    local = type("Local", (Model,), {"rank": lambda self, text, continuations: None})
    assert not may_fail_in_passing(local())
