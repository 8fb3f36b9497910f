"""Several models for a task: who is asked, after which failure, and who is asked again."""

import asyncio

import pytest

from carteiro.models.failures import (
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
from carteiro.worker.asking import chain as chain_module
from carteiro.worker.asking.chain import Attempts, Chain, Link
from carteiro.worker.asking.parking import Gate
from carteiro.worker.asking.spending import OverBudget
from tests.conftest import eventually
from tests.unit.worker.failing_model import ASKED, Model, bill

pytestmark = pytest.mark.usefixtures("no_pauses")


@pytest.fixture
async def chained():
    gates = []

    def make(*models):
        links = [Link(model, Gate(model, lambda: None)) for model in models]
        gates.extend(link.gate for link in links)
        return Chain(links)

    yield make
    for gate in gates:
        await gate.close()


async def ask(chain):
    attempts = Attempts(chain, bill())
    await attempts.run(lambda model: model.complete(ASKED))
    return attempts.model.name


def two(*failures, always=None):
    return Model(*failures, always=always, name="first"), Model(name="second")


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
async def test_the_next_is_asked(chained, failure):
    first, second = two(always=failure)
    assert await ask(chained(first, second)) == "second"
    assert second.calls == 1


@pytest.mark.parametrize("failure", [InvalidPrompt("?"), Refused("no"), ContentFiltered("no")])
async def test_what_is_the_same_for_all_is_not_passed_on(chained, failure):
    first, second = two(failure)
    with pytest.raises(type(failure)):
        await ask(chained(first, second))
    assert second.calls == 0


async def test_a_single_passing_fault_is_no_reason_to_leave_a_model(chained):
    first, second = two(Unavailable("502"))
    assert await ask(chained(first, second)) == "first"
    assert (first.calls, second.calls) == (2, 0)


async def test_a_short_rate_limit_is_waited_for(chained):
    first, second = two(RateLimited("429", 0.01))
    assert await ask(chained(first, second)) == "first"


async def test_a_model_that_is_down_is_left_alone_until_a_probe_succeeds(chained):
    first, second = two(always=Unavailable("down"))
    chain = chained(first, second)
    for _ in range(3):
        assert await ask(chain) == "second"
    calls = first.calls
    await eventually(lambda: chain.links[0].gate.outages == 1)
    assert [await ask(chain) for _ in range(5)] == ["second"] * 5
    assert first.calls == calls
    assert chain.parked is None, "the second takes requests"
    first.always = None
    await eventually(lambda: not chain.links[0].closed)
    assert await ask(chain) == "first"


async def test_where_all_are_down_nothing_fails_and_the_first_that_is_back_answers(chained):
    first, second = two(always=Unavailable("down"))
    second.always = Unavailable("also down")
    chain = chained(first, second)
    asking = [asyncio.create_task(ask(chain)) for _ in range(5)]
    await eventually(lambda: chain.parked is not None)
    second.always = None
    assert await asyncio.gather(*asking) == ["second"] * 5


async def test_a_request_that_no_model_can_answer_is_given_up(chained):
    """Both answer probes, so neither is down."""
    first, second = Model(*[Unavailable("500")] * 99, name="first"), Model(*[Unavailable("500")] * 99, name="second")
    with pytest.raises(Unavailable):
        await ask(chained(first, second))
    assert first.calls <= 2 * chain_module._ROUNDS
    assert second.calls <= 2 * chain_module._ROUNDS


async def test_tries_are_those_of_all_models(chained):
    first, second = two(always=QuotaExhausted("unpaid"))
    attempts = Attempts(chained(first, second), bill())
    await attempts.run(lambda model: model.complete(ASKED))
    assert attempts.tries == 2


async def test_one_may_be_asked_for_by_name(chained):
    first, second = Model(name="openai:large"), Model(name="local:small")
    chain = chained(first, second)
    assert await ask(chain.only("small")) == "local:small"
    assert await ask(chain.only("openai:large")) == "openai:large"
    assert chain.only("medium") is None
