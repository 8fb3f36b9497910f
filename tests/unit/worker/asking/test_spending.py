"""Prices, what a request costs over all its tries, and the caps."""

from datetime import UTC, datetime, timedelta

import pytest

from carteiro.models.failures import ModelUnusable, Unavailable
from carteiro.models.interface import Completion
from carteiro.models.prices import Price, Prices, load_prices
from carteiro.schemas import Usage
from carteiro.worker.asking.parking import Gate
from carteiro.worker.asking.retrying import Retrying
from carteiro.worker.asking.spending import Bill, Caps, OverBudget, Spending
from tests.conftest import eventually
from tests.unit.worker.failing_model import ASKED, Model

NAME = "test:model"
PRICES = Prices({NAME: Price(input=1e6, cached_input=0.5e6, output=10e6)})
"""A dollar a token of input: the numbers can be checked by eye."""
USED = Usage(input_tokens=3, output_tokens=2, cached_input_tokens=1)


class Clock:
    def __init__(self):
        self.now = datetime(2026, 11, 24, 23, 59, 59, tzinfo=UTC)

    def __call__(self):
        return self.now


class Paid(Model):
    async def complete(self, prompt):
        return Completion((await super().complete(prompt)).text, "stop", USED)


def spending(**caps):
    return Spending(PRICES, Caps(**caps), now=Clock())


def bill(of, key=None):
    return Bill(of, "generate", key)


def test_cached_tokens_cost_less():
    assert PRICES.of(NAME).of(USED) == 2 + 0.5 + 20


def test_a_snapshot_costs_what_its_model_does():
    prices = load_prices()
    assert prices.of("openai:gpt-4.1-mini-2025-04-14") == prices.of("openai:gpt-4.1-mini") is not None
    assert prices.of("openai:gpt-4.1-mini?api=responses") == prices.of("openai:gpt-4.1-mini")


def test_unknown_models_have_no_price_and_local_ones_cost_nothing():
    prices = load_prices()
    assert prices.of("http://vllm:8000/v1#qwen3") is None
    assert prices.of("local:smollm2").of(Usage(input_tokens=10**9)) == 0


def test_an_operators_file_comes_first(tmp_path):
    own = tmp_path / "prices.toml"
    own.write_text('dated = 2026-01-01\n[models]\n"azure:mine" = { input = 1, output = 2 }\n')
    assert load_prices(own).of("azure:mine") == Price(input=1, output=2)
    assert load_prices(own).of("openai:gpt-4.1") is not None


@pytest.mark.parametrize("text", ["dated = 2026-01-01\n[models]\nx = { input = -1, output = 2 }\n", "[", None])
def test_a_file_that_cannot_be_read_is_named(tmp_path, text):
    own = tmp_path / "prices.toml"
    if text is not None:
        own.write_text(text)
    with pytest.raises(ModelUnusable, match="CARTEIRO_PRICES: .*prices.toml: "):
        load_prices(own)


def test_what_is_spent_is_summed_over_all_calls():
    of = spending()
    paid = bill(of)
    assert paid.add(NAME, USED).cost_usd == 22.5
    paid.add(NAME, USED)
    assert (paid.usage.cost_usd, paid.usage.input_tokens, of.today) == (45, 6, 45)


def test_usage_without_a_price_is_kept_without_a_cost():
    assert bill(spending()).add("http://x/v1#y", USED) == USED


def test_one_request_may_cost_only_so_much():
    paid = bill(spending(per_request=30))
    paid.check(Model(), ASKED)
    paid.add(NAME, USED)
    paid.check(Model(), ASKED)  # 22.5 and "hello", 5 tokens of this model
    paid.add(NAME, Usage(input_tokens=3))
    with pytest.raises(OverBudget, match="30 USD for one"):
        paid.check(Model(), ASKED)


def test_a_key_has_its_own_cap_and_others_go_on():
    of = spending(per_key=25)
    bill(of, b"a").add(NAME, USED)
    with pytest.raises(OverBudget, match="25 USD a day"):
        bill(of, b"a").check(Model(), ASKED)
    bill(of, b"b").check(Model(), ASKED)
    bill(of).check(Model(), ASKED)


def test_a_day_has_its_cap_and_the_next_day_one_of_its_own():
    of = spending(per_day=25)
    bill(of).add(NAME, USED)
    with pytest.raises(OverBudget):
        bill(of).check(Model(), ASKED)
    of._now.now += timedelta(seconds=2)
    bill(of).check(Model(), ASKED)
    assert of.today == 0


async def test_a_cap_that_parks_stops_the_intake_until_midnight_and_says_so():
    changes = []
    clock = Clock()
    clock.now = datetime(2026, 11, 24, 23, 59, 59, 900_000, tzinfo=UTC)
    of = Spending(PRICES, Caps(per_day=20, parks=True), lambda: changes.append(of.parked), clock)
    bill(of).add(NAME, USED)
    bill(of).check(Model(), ASKED)  # those in flight go on
    assert changes == ["the day's cap of 20 USD is reached"]
    clock.now += timedelta(seconds=1)
    await eventually(lambda: len(changes) == 2)
    assert changes[1] is None


async def test_every_try_that_was_paid_is_on_the_bill(no_pauses):
    paid = bill(spending(per_request=25))
    asked = Retrying(Gate(Paid(Unavailable("502")), lambda: None), paid)
    assert (await asked.complete(ASKED)).usage.cost_usd == 22.5
    with pytest.raises(OverBudget):
        await asked.complete(ASKED)
    assert asked.tries == 2, "the cap was looked at before the call"
