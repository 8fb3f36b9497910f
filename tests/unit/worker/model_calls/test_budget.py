"""Prices, the cost of a request over all its tries, and the budget limits."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta

import pytest

from carteiro.models.errors import ContentFiltered, ModelUnusable, Unavailable, attach_usage, attached_usage
from carteiro.models.prices import Price, PriceTable, load_prices
from carteiro.models.prompt import Message, Prompt
from carteiro.models.results import Completion
from carteiro.schemas import Usage
from carteiro.worker.model_calls.budget import BudgetLimits, CostBudget, OverBudget, UsageMeter
from carteiro.worker.model_calls.circuit_breaker import CircuitBreaker
from carteiro.worker.model_calls.retry import RetryingCalls, retrying
from carteiro.worker.observability.metrics import REGISTRY
from tests.conftest import eventually
from tests.unit.worker.failing_model import ASKED, FailingModel

NAME = "test:model"
PRICES = PriceTable({NAME: Price(input=1e6, cached_input=0.5e6, output=10e6)})
"""A price of one dollar an input token, so that the numbers can be checked by eye."""
USED = Usage(input_tokens=3, output_tokens=2, cached_input_tokens=1)


class BudgetClock:
    def __init__(self):
        self.now = datetime(2026, 11, 24, 23, 59, 59, tzinfo=UTC)

    def __call__(self):
        return self.now


class PricedModel(FailingModel):
    async def complete(self, prompt):
        return Completion((await super().complete(prompt)).text, "stop", USED)


def retry(model, meter):
    return retrying(model, RetryingCalls(CircuitBreaker(model, lambda: None), meter))


def make_budget(**limits):
    return CostBudget(PRICES, BudgetLimits(**limits), now=BudgetClock())


def make_meter(of, key=None):
    return UsageMeter(of, "generate", key)


async def free_call(paid):
    """Start and end a call that costs nothing."""
    with await paid.begin_call(FailingModel(), ASKED):
        pass


def test_cached_tokens_cost_less():
    assert PRICES.price_of(NAME).cost(USED) == 2 + 0.5 + 20


def test_snapshot_costs_as_much_as_its_model():
    prices = load_prices()
    assert prices.price_of("openai:gpt-4.1-mini-2025-04-14") == prices.price_of("openai:gpt-4.1-mini") is not None
    assert prices.price_of("openai:gpt-4.1-mini?api=responses") == prices.price_of("openai:gpt-4.1-mini")


def test_unknown_models_have_no_price_and_local_models_cost_nothing():
    prices = load_prices()
    assert prices.price_of("http://vllm:8000/v1#qwen3") is None
    assert prices.price_of("local:smollm2").cost(Usage(input_tokens=10**9)) == 0


def test_price_file_of_the_operator_takes_precedence(tmp_path):
    own = tmp_path / "prices.toml"
    own.write_text('dated = 2026-01-01\n[models]\n"azure:mine" = { input = 1, output = 2 }\n')
    assert load_prices(own).price_of("azure:mine") == Price(input=1, output=2)
    assert load_prices(own).price_of("openai:gpt-4.1") is not None


@pytest.mark.parametrize("text", ["dated = 2026-01-01\n[models]\nx = { input = -1, output = 2 }\n", "[", None])
def test_unreadable_price_file_is_named(tmp_path, text):
    own = tmp_path / "prices.toml"
    if text is not None:
        own.write_text(text)
    with pytest.raises(ModelUnusable, match="CARTEIRO_PRICES: .*prices.toml: "):
        load_prices(own)


def test_cost_is_summed_over_all_calls():
    of = make_budget()
    paid = make_meter(of)
    assert paid.record(NAME, USED).cost_usd == 22.5
    paid.record(NAME, USED)
    assert (paid.usage.cost_usd, paid.usage.input_tokens, of.spent_today) == (45, 6, 45)


def test_free_model_is_counted_with_a_cost_of_zero():
    UsageMeter(CostBudget(load_prices(), BudgetLimits()), "a-free-task", None).record("local:smollm2", USED)
    labels = {"task": "a-free-task", "model": "local:smollm2"}
    assert REGISTRY.get_sample_value("carteiro_cost_usd_total", labels) == 0


def test_usage_without_a_price_has_no_cost():
    assert make_meter(make_budget()).record("http://x/v1#y", USED) == USED


async def test_cost_of_a_request_is_limited():
    paid = make_meter(make_budget(per_request=30))
    await free_call(paid)
    paid.record(NAME, USED)
    await free_call(paid)  # The estimate is 22.5 plus "hello", which has 5 tokens of this model.
    paid.record(NAME, Usage(input_tokens=3))
    with pytest.raises(OverBudget, match="30 USD for one"):
        await free_call(paid)


async def test_cost_of_a_key_is_limited_and_other_keys_go_on():
    of = make_budget(per_key=25)
    make_meter(of, b"a").record(NAME, USED)
    with pytest.raises(OverBudget, match="25 USD a day"):
        await free_call(make_meter(of, b"a"))
    await free_call(make_meter(of, b"b"))
    await free_call(make_meter(of))


async def test_free_key_is_not_remembered():
    of = make_budget(per_key=25)
    for number in range(3):
        await free_call(make_meter(of, b"free %d" % number))
    make_meter(of, b"paid").record(NAME, USED)
    assert len(of._key_accounts) == 1
    of._now.now += timedelta(days=1)
    await free_call(make_meter(of, b"paid"))
    assert len(of._key_accounts) == 0


async def test_cost_of_a_day_is_limited_and_the_next_day_starts_at_zero():
    of = make_budget(per_day=25)
    make_meter(of).record(NAME, USED)
    with pytest.raises(OverBudget):
        await free_call(make_meter(of))
    of._now.now += timedelta(seconds=2)
    await free_call(make_meter(of))
    assert of.spent_today == 0


@pytest.mark.parametrize(("cap", "retryable"), [("per_request", False), ("per_key", True), ("per_day", True)])
async def test_exhausted_daily_budget_is_retryable(cap, retryable):
    paid = make_meter(make_budget(**{cap: 30}), b"key")
    paid.record(NAME, USED)
    paid.record(NAME, USED)
    with pytest.raises(OverBudget) as refused:
        await free_call(paid)
    assert refused.value.retryable is retryable


async def test_exhausted_budget_with_pause_stops_the_intake_until_midnight_and_logs_it():
    changes = []
    clock = BudgetClock()
    clock.now = datetime(2026, 11, 24, 23, 59, 59, 900_000, tzinfo=UTC)
    of = CostBudget(PRICES, BudgetLimits(per_day=20, pauses=True), lambda: changes.append(of.pause_reason), clock)
    begun = make_meter(of)
    begun.record(NAME, USED)
    await free_call(begun)  # Requests that have started go on.
    later = asyncio.create_task(free_call(make_meter(of)))
    await asyncio.sleep(0)
    assert changes == ["the day's cap of 20 USD is reached"]
    assert not later.done()
    clock.now += timedelta(seconds=1)
    await eventually(lambda: len(changes) == 2)
    assert changes[1] is None
    await later


@pytest.mark.parametrize(
    "limits", [{"per_day": 100}, {"per_key": 100}, {"per_request": 100}, {"per_day": 100, "pauses": True}]
)
async def test_reservations_of_concurrent_calls_stay_within_the_limit(limits):
    """Each call costs 25. The fifth would exceed the limit, however many start together."""
    of, calls = make_budget(**limits), 0
    whole = make_meter(of, b"key")

    async def call():
        nonlocal calls
        paid = whole if "per_request" in limits else make_meter(of, b"key")
        prompt = Prompt(messages=[Message("user", "hello")], max_output_tokens=2)
        with await paid.begin_call(FailingModel(), prompt):
            calls += 1
            await asyncio.sleep(0.01)
            paid.record(NAME, Usage(input_tokens=5, output_tokens=2))

    calling = [asyncio.create_task(call()) for _ in range(64)]
    await eventually(lambda: sum(each.done() for each in calling) == (4 if limits.get("pauses") else 64))
    assert calls == 4
    assert of.spent_today == 100
    for each in calling:
        each.cancel()
    ends = await asyncio.gather(*calling, return_exceptions=True)
    assert {type(each) for each in ends} == {type(None), asyncio.CancelledError if limits.get("pauses") else OverBudget}


async def test_reservation_is_released_however_its_call_ends():
    of = make_budget(per_day=100)
    paid = make_meter(of)

    async def call(*, fails):
        with await paid.begin_call(FailingModel(), ASKED):
            if fails:
                raise Unavailable("502")
            await asyncio.Event().wait()

    hanging = asyncio.create_task(call(fails=False))
    with pytest.raises(Unavailable):
        await call(fails=True)
    hanging.cancel()
    await asyncio.gather(hanging, return_exceptions=True)
    (day,) = of.accounts(None)
    assert (day.reserved, day.spent) == (0, 0)


async def test_output_limit_of_any_size_does_not_reject_a_call():
    prompt = Prompt(messages=ASKED.messages, max_output_tokens=10**400)
    with await make_meter(make_budget(per_day=100)).begin_call(FailingModel(), prompt):
        pass


async def test_long_prompt_is_not_counted_on_the_event_loop():
    main = threading.get_ident()

    class Counting(FailingModel):
        def count_tokens(self, text):
            threads.add(threading.get_ident())
            return 1

    threads = set()
    prompt = Prompt(messages=[Message("user", "long " * 10_000)])
    with await make_meter(make_budget(per_day=100)).begin_call(Counting(), prompt):
        pass
    assert threads
    assert main not in threads


@pytest.mark.parametrize("cap", [{}, {"per_day": 100}])
async def test_failed_call_is_counted_in_the_cost(cap, no_pauses):
    filtered, cut = ContentFiltered("no"), Unavailable("timeout")
    for failure in (filtered, cut):
        attach_usage(failure, USED)
    of = make_budget(**cap)
    paid = make_meter(of)
    model = retry(FailingModel(cut, filtered), paid)
    with pytest.raises(ContentFiltered):
        await model.complete(ASKED)
    assert paid.usage == USED.model_copy(update={"cost_usd": 22.5}) + USED.model_copy(update={"cost_usd": 22.5})
    assert of.spent_today == 45


async def test_call_cut_by_its_deadline_is_counted_in_the_cost():
    class Slow(FailingModel):
        async def complete(self, prompt):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError as cancelled:
                attach_usage(cancelled, USED)
                raise

    paid = make_meter(make_budget())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await retry(Slow(), paid).complete(ASKED)
    assert paid.usage.cost_usd == 22.5


def test_error_without_usage_has_no_usage():
    assert attached_usage(Unavailable("502")) is None
    assert attached_usage(asyncio.CancelledError()) is None


async def test_every_paid_try_is_counted_in_the_cost(no_pauses):
    paid = make_meter(make_budget(per_request=25))
    called = PricedModel(Unavailable("502"))
    model = retry(called, paid)
    assert (await model.complete(ASKED)).usage.cost_usd == 22.5
    with pytest.raises(OverBudget):
        await model.complete(ASKED)
    assert called.calls == 2, "the limit was checked before the call"


def test_reused_call_counts_for_the_request_and_for_no_other_account() -> None:
    budget = CostBudget(PriceTable({}), BudgetLimits(per_request=5.0))
    meter = UsageMeter(budget, "generate", b"key")
    meter.record_reused(Usage(output_tokens=7, cost_usd=4.0, reused_calls=1))
    assert meter.usage == Usage(output_tokens=7, cost_usd=4.0, reused_calls=1)
    assert budget.spent_today == 0.0
    assert meter._account.spent == 4.0
