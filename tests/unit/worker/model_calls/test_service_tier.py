"""Service tiers: the choice by the deadline, and the way from `flex` up to the standard tier."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from carteiro.models.errors import Misconfigured, QuotaExhausted, Refused, TierUnavailable, Unavailable
from carteiro.models.prices import Price, PriceTable
from carteiro.models.prompt import Message, Prompt
from carteiro.models.registry import open_model
from carteiro.models.results import Completion
from carteiro.models.settings import ModelSettings
from carteiro.schemas import Options, ServiceTier, Usage
from carteiro.worker.model_calls.budget import BudgetLimits, CostBudget, UsageMeter
from carteiro.worker.model_calls.circuit_breaker import CircuitBreaker
from carteiro.worker.model_calls.fallback import FallbackChain, FallbackRun, ModelTarget
from carteiro.worker.model_calls.service_tier import TierPolicy
from carteiro.worker.observability import metrics
from tests.provider import Provider
from tests.unit.worker.failing_model import FailingModel, usage_meter

pytestmark = pytest.mark.usefixtures("no_pauses")

PROMPT = Prompt(messages=[Message("user", "one two three")])
ALL = TierPolicy(
    allowed=frozenset({"flex", "priority"}), standard_seconds=60, flex_min_deadline=900, priority_max_deadline=5
)
DONE = Completion("yes", "stop", Usage(input_tokens=2, output_tokens=1))


def within(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.now(UTC) + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("policy", "options", "seconds", "tier"),
    [
        (ALL, {}, None, None),
        (ALL, {}, 100, None),
        (ALL, {}, 4, "priority"),
        (ALL, {}, 1000, "flex"),
        (ALL, {"stream": True}, 1000, None),
        (ALL, {"wait": "5m"}, 299, "flex"),
        (ALL, {"wait": "5m"}, 100, None),
        (ALL, {"service_tier": "standard"}, 1000, "standard"),
        (ALL, {"service_tier": "flex", "stream": True}, None, "flex"),
        (TierPolicy(), {"wait": "1h"}, 3599, "flex"),
        (TierPolicy(), {}, 3599, None),
        (TierPolicy(), {}, 1, None),
        (TierPolicy(allowed=frozenset(), flex_min_deadline=1, priority_max_deadline=5), {"wait": "1h"}, 3599, None),
        (TierPolicy(allowed=frozenset(), flex_min_deadline=1, priority_max_deadline=5), {}, 1, None),
    ],
)
def test_deadline_chooses_the_tier(policy: TierPolicy, options: Any, seconds: float | None, tier: str | None) -> None:
    assert policy.choose(Options(**options), within(seconds)) == tier


@pytest.mark.parametrize(("tier", "permitted"), [(None, True), ("standard", True), ("flex", True), ("priority", False)])
def test_only_tiers_that_the_operator_allows_may_be_named(tier: ServiceTier | None, permitted: bool) -> None:
    assert TierPolicy().permits(tier) is permitted


@pytest.mark.parametrize(("seconds", "flex"), [(None, None), (1000, 880), (100, 50), (-5, 0)])
def test_time_for_a_standard_call_is_kept(seconds: float | None, flex: float | None) -> None:
    found = TierPolicy(standard_seconds=120).flex_seconds(within(seconds))
    assert found is None if flex is None else found == pytest.approx(flex, abs=1)


class TieredModel(FailingModel):
    """Model of a provider with tiers, whose calls in `flex` end as a test tells."""

    service_tiers = frozenset({"flex", "standard"})

    def __init__(self, flex: Any = None) -> None:
        super().__init__(name="openai:tiered")
        self.flex = flex

    async def complete(self, prompt: Prompt) -> Completion:
        self.prompts.append(prompt)
        if prompt.service_tier == "flex":
            if isinstance(self.flex, Exception):
                raise self.flex
            if self.flex == "hangs":
                await asyncio.Event().wait()
        return DONE

    @property
    def tiers(self) -> list[str | None]:
        return [prompt.service_tier for prompt in self.prompts]


@pytest.fixture
async def run() -> AsyncIterator[Any]:
    breakers: list[CircuitBreaker] = []

    def make(model: Any, tier: ServiceTier | None, seconds: float | None = 1000, **more: Any) -> FallbackRun:
        breakers.append(CircuitBreaker(model, lambda: None))
        chain = FallbackChain([ModelTarget(model, breakers[-1])], TierPolicy(standard_seconds=60))
        return FallbackRun(chain, more.get("meter") or usage_meter(), None, within(seconds), tier=tier)

    make.breakers = breakers  # type: ignore[attr-defined]
    yield make
    for breaker in breakers:
        await breaker.stop_probing()


async def ask(run: FallbackRun, times: int = 1, prompt: Prompt = PROMPT) -> Completion:
    async def work(model: Any) -> Completion:
        answers = [await model.complete(prompt) for _ in range(times)]
        return answers[-1]

    return await run.run(work)


@pytest.mark.parametrize(
    "flex", [TierUnavailable("full"), Unavailable("failed"), QuotaExhausted("unpaid"), Misconfigured("wrong key")]
)
async def test_flex_that_is_refused_moves_up_for_the_rest_of_the_request(run, flex: Exception) -> None:
    model = TieredModel(flex)
    moved = metrics.labelled(metrics.FLEX_FALLBACKS, "generate")
    before = moved._value.get()
    assert (await ask(run(model, "flex"), times=2)).text == "yes"
    assert model.tiers == ["flex", "standard", "standard"]
    assert moved._value.get() == before + 1
    assert run.breakers[0].confirmed_outages == 0
    assert not run.breakers[0].is_unavailable, "no capacity in flex is no outage"


async def test_flex_that_runs_out_of_time_moves_up_before_the_deadline(run) -> None:
    model = TieredModel("hangs")
    assert (await ask(run(model, "flex", 0.2))).text == "yes"
    assert model.tiers == ["flex", "standard"]


async def test_error_of_the_request_itself_does_not_move_up(run) -> None:
    model = TieredModel(Refused("no"))
    with pytest.raises(Refused):
        await ask(run(model, "flex"))
    assert model.tiers == ["flex"]


async def test_model_without_the_tier_is_called_as_always(run) -> None:
    model = TieredModel()
    assert (await ask(run(model, "priority"))).text == "yes"
    plain = FailingModel(name="deepseek:x")
    await ask(run(plain, "flex"))
    assert [*model.tiers, plain.prompts[0].service_tier] == [None, None]


async def test_tier_that_the_service_chose_is_marked_as_its_own(run) -> None:
    model = TieredModel()
    await ask(run(model, "flex"))
    named = Prompt(messages=PROMPT.messages, service_tier="flex")
    await ask(run(model, "flex"), prompt=named)
    assert [prompt.service_options for prompt in model.prompts] == [frozenset({"service_tier"}), frozenset()]


@pytest.fixture
async def opened(provider: Provider) -> AsyncIterator[Any]:
    settings = ModelSettings(OPENAI_API_KEY="k", OPENAI_BASE_URL=provider.url)
    model = open_model("openai:gpt-5.1", settings)
    yield model
    await model.close()


def paid() -> UsageMeter:
    prices = PriceTable({"openai:gpt-5.1": Price(input=1e6, output=0)})
    return UsageMeter(CostBudget(prices, BudgetLimits()), "generate", None)


@pytest.mark.parametrize(
    ("capacity", "sent", "tier", "share"),
    [(True, ["flex"], "flex", 0.5), (False, ["flex", "default"], "standard", 1)],
)
async def test_reply_says_the_tier_that_answered_and_its_cost(
    run, provider: Provider, opened: Any, capacity: bool, sent: list[str], tier: str, share: float
) -> None:
    provider.flex_capacity = capacity
    meter = paid()
    await ask(run(opened, "flex", meter=meter))
    assert [each.body["service_tier"] for each in provider.requests[-len(sent) :]] == sent
    assert meter.usage.service_tier == tier
    assert meter.usage.cost_usd == pytest.approx(meter.usage.input_tokens * share)
