from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from carteiro.models.errors import Unavailable
from carteiro.models.prices import Price, PriceTable
from carteiro.models.prompt import Prompt
from carteiro.models.results import Completion
from carteiro.schemas import Usage
from carteiro.worker.batch_api.batch_first_model import BatchFirstModel
from carteiro.worker.batch_api.partition_batcher import DeadlineNear
from carteiro.worker.model_calls.budget import BudgetLimits, CostBudget
from carteiro.worker.model_calls.deferred_request import DeferredRequest
from carteiro.worker.observability.metrics import REGISTRY
from tests.unit.worker.batch_api.killable_worker import prompt
from tests.unit.worker.failing_model import DONE, FailingModel, usage_meter

PRICES = CostBudget(PriceTable({"openai:paid": Price(input=1e6, output=1e6)}), BudgetLimits())
USED = Usage(input_tokens=4, output_tokens=2)


class FakeBatcher:
    """Batcher that raises `failure`, if there is one, or reports `wasted` and completes the prompt."""

    def __init__(self, failure: Exception | None = None, wasted: Usage | None = None) -> None:
        self.failure, self.wasted, self.calls = failure, wasted, list[tuple[str, int]]()

    async def complete(
        self,
        model: str,
        prompt: Prompt,
        offset: int,
        deadline: float,
        on_wasted_usage: Callable[[str, Usage], object],
    ) -> tuple[str, Completion]:
        self.calls.append((model, offset))
        if self.failure is not None:
            raise self.failure
        if self.wasted is not None:
            on_wasted_usage("17-0-0", self.wasted)
        return "17-0-1", Completion("by batch", "stop", USED)


def fallbacks() -> float:
    return REGISTRY.get_sample_value("carteiro_batch_fallbacks_total", {"task": "generate"}) or 0.0


def make_model(batcher: FakeBatcher, live: FailingModel, *, is_only_model: bool = True) -> BatchFirstModel:
    meter = usage_meter(budget=PRICES)
    deadline = datetime.now(UTC) + timedelta(hours=1)
    return BatchFirstModel(
        live, meter, deadline, DeferredRequest(17, batcher), task="generate", is_only_model=is_only_model
    )


async def test_prompt_is_completed_by_a_batch_for_the_requests_offset() -> None:
    batcher, live = FakeBatcher(), FailingModel(name="openai:paid")
    completion = await make_model(batcher, live).complete(prompt("a"))
    assert completion.text == "by batch"
    assert completion.usage.service_tier == "batch"
    assert batcher.calls == [("openai:paid", 17)]
    assert not live.prompts


async def test_wasted_items_are_paid_at_the_price_of_a_batch() -> None:
    live, meter = FailingModel(name="openai:paid"), usage_meter(budget=PRICES)
    model = BatchFirstModel(
        live, meter, None, DeferredRequest(17, FakeBatcher(wasted=USED)), task="generate", is_only_model=True
    )
    await model.complete(prompt("a"))
    assert meter.usage.cost_usd == pytest.approx(2 * (4 + 2) / 2)


async def test_only_model_is_called_live_if_the_deadline_is_near() -> None:
    live, before = FailingModel(name="openai:paid"), fallbacks()
    assert await make_model(FakeBatcher(DeadlineNear()), live).complete(prompt("a")) is DONE
    assert fallbacks() == before + 1


async def test_next_model_of_a_chain_takes_over_if_the_deadline_is_near() -> None:
    live = FailingModel(name="openai:paid")
    with pytest.raises(Unavailable, match="no more time"):
        await make_model(FakeBatcher(DeadlineNear()), live, is_only_model=False).complete(prompt("a"))
    assert not live.prompts


async def test_error_of_the_batch_is_raised_without_a_live_call() -> None:
    live, before = FailingModel(name="openai:paid"), fallbacks()
    with pytest.raises(Unavailable, match="broken"):
        await make_model(FakeBatcher(Unavailable("broken")), live).complete(prompt("a"))
    assert not live.prompts
    assert fallbacks() == before
