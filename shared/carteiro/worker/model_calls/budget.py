"""The cost of requests, and its caps: for a request, for a record key and day, and for a day.

A call does not begin if the money spent and the cost of its prompt exceed a cap. While a call runs, the cost of its
prompt and of its estimated output is reserved. A call that would exceed a cap together with the calls in flight waits
until their cost is known. So a cap is exceeded by the output of about one call. A worker counts only its own spending,
in memory: the count begins at zero after a restart.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from types import TracebackType
from typing import Literal
from weakref import WeakValueDictionary

import structlog

from carteiro.models.cloud.token_counts import count_prompt_tokens
from carteiro.models.errors import ModelError, attached_usage
from carteiro.models.interface import Model
from carteiro.models.prices import PriceTable
from carteiro.models.prompt import Prompt
from carteiro.schemas import ServiceTier, Usage
from carteiro.schemas.reply import NO_USAGE
from carteiro.worker.observability import metrics

log = structlog.get_logger("carteiro.worker")

_DEFAULT_OUTPUT_TOKENS, _MAX_OUTPUT_TOKENS = 1024, 128_000
"""Output tokens that are reserved for a call without a limit, and the most that are reserved for any call."""


class OverBudget(ModelError):
    """A call would pass a spending cap."""

    code = "over_budget"

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        """`retryable` is True if the cap is reset at midnight (UTC): the same request may be served then."""
        super().__init__(message)
        self.retryable = retryable


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetLimits:
    """Spending caps in US dollars; None for no cap.

    With `pauses`, the day's cap pauses intake instead of rejecting requests.
    """

    per_request: float | None = None
    per_key: float | None = None
    per_day: float | None = None
    pauses: bool = False

    @property
    def has_limit(self) -> bool:
        """True if there is any cap."""
        return self.per_request is not None or self.per_key is not None or self.per_day is not None


@dataclass(slots=True, eq=False, weakref_slot=True)
class SpendAccount:
    """US dollars of a request, of a record key, or of the day: spent, and reserved for calls in flight."""

    spent: float = 0.0
    reserved: float = 0.0
    _calls: int = 0

    def reserve(self, cost: float) -> None:
        """Reserve the expected cost of a call that begins, in US dollars."""
        self.reserved += cost
        self._calls += 1

    def release(self, cost: float) -> None:
        """Release the reserved cost of a call that has ended. Its real cost is added to `spent` elsewhere."""
        self._calls -= 1
        # Without a call in flight, rounding errors must not stay reserved.
        self.reserved = self.reserved - cost if self._calls else 0.0


class CostBudget:
    """Money that a worker has spent since midnight (UTC), and its caps.

    `on_change` is called when the day's cap pauses the worker, and when the next day begins after that.
    """

    def __init__(
        self,
        prices: PriceTable,
        limits: BudgetLimits,
        on_change: Callable[[], None] = lambda: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.prices, self.limits = prices, limits
        self._on_change, self._now = on_change, now
        self._date: date = now().date()
        self._day_account = SpendAccount()
        self._key_accounts: WeakValueDictionary[bytes, SpendAccount] = WeakValueDictionary()
        """Accounts by a digest of the record key. An account with no call in flight and no money spent is removed:
        requests that cost nothing, each with another key, would fill the memory."""
        self._charged_accounts: set[SpendAccount] = set()
        self._change_event = asyncio.Event()

    @property
    def pause_reason(self) -> str | None:
        """Reason why no request may begin today; None if requests may begin."""
        if not self.limits.pauses or self.limits.per_day is None or self.spent_today < self.limits.per_day:
            return None
        return f"the day's cap of {self.limits.per_day:g} USD is reached"

    @property
    def spent_today(self) -> float:
        """US dollars spent since midnight (UTC)."""
        self._roll_day()
        return self._day_account.spent

    def accounts(self, key: bytes | None) -> list[SpendAccount]:
        """Return the day's account, and the record key's if keys have a cap."""
        self._roll_day()
        if key is None or self.limits.per_key is None:
            return [self._day_account]
        return [self._day_account, self._key_accounts.setdefault(hashlib.sha256(key).digest(), SpendAccount())]

    def record(self, key: bytes | None, cost: float) -> None:
        """Add `cost` (US dollars) of a request to the day's account and to the account of its record key."""
        was_paused = self.pause_reason
        day, *of_key = self.accounts(key)
        for account in (day, *of_key):
            account.spent += cost
        if cost:
            self._charged_accounts.update(of_key)
        if self.pause_reason and not was_paused:
            log.error("paused until midnight, UTC", reason=self.pause_reason)
            asyncio.get_running_loop().call_later(self._until_midnight() + 1, self._on_change)
            self._on_change()

    def notify_waiters(self) -> None:
        """Wake the calls that wait for a change, so that they check the caps again. Called when a call has ended."""
        self._change_event.set()
        self._change_event = asyncio.Event()

    async def wait_for_change(self) -> None:
        """Return when a call has ended, or the next day has begun."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._until_midnight() + 1):
                await self._change_event.wait()

    def _until_midnight(self) -> float:
        midnight = datetime.combine(self._now().date() + timedelta(days=1), datetime.min.time(), UTC)
        return (midnight - self._now()).total_seconds()

    def _roll_day(self) -> None:
        if (today := self._now().date()) != self._date:
            self._date, self._day_account.spent = today, 0.0
            for account in self._charged_accounts:
                account.spent = 0.0
            self._charged_accounts.clear()


class UsageMeter:
    """Usage of one request, over all its tries and models."""

    def __init__(self, budget: CostBudget, task: str, key: bytes | None) -> None:
        self._budget, self.task, self._key = budget, task, key
        self.usage = NO_USAGE
        """All usage that was paid for, also by tries that failed."""
        self._account = SpendAccount()
        self._recorded_items: set[str] = set()

    async def begin_call(self, model: Model, prompt: Prompt, *, batch: bool = False) -> "MeteredCall":
        """Wait until the caps allow a call, and return it as a context manager: its expected cost is reserved until its
        block ends.

        The caller records the usage of a completion by `record`. If the call fails or is cancelled, the usage that its
        error carries is recorded. With `batch` the call does not wait for calls in flight, which may take a day. Raise
        `OverBudget` if the call would exceed a cap.
        """
        budget = self._budget
        if not budget.limits.has_limit or (price := budget.prices.price_of(model.name)) is None:
            return MeteredCall(self, model)
        tier: ServiceTier | Literal["batch"] | None = "batch" if batch else prompt.service_tier
        prompt_usage = Usage(
            input_tokens=await count_prompt_tokens(prompt, model.count_tokens),
            characters=sum(len(each.content) for each in prompt.messages) if price.characters else 0,
            service_tier=tier,
        )
        prompt_cost = price.cost(prompt_usage)
        while self._must_wait(prompt_cost, batch=batch):
            await budget.wait_for_change()
        output_tokens = min(prompt.max_output_tokens or _DEFAULT_OUTPUT_TOKENS, _MAX_OUTPUT_TOKENS)
        expected = price.cost(prompt_usage.model_copy(update={"output_tokens": output_tokens}))
        return MeteredCall(self, model, expected, [self._account, *budget.accounts(self._key)])

    def end_call(self, expected: float, accounts: Sequence[SpendAccount]) -> None:
        """Release the expected cost of a call (US dollars), which was reserved in `accounts`."""
        for account in accounts:
            account.release(expected)
        self._budget.notify_waiters()

    def _must_wait(self, prompt_cost: float, *, batch: bool) -> bool:
        """Return True if a call has to wait: it would exceed a cap together with the calls in flight, or the day's cap
        pauses the worker. `prompt_cost` is in US dollars.

        Raise `OverBudget` if the call would exceed a cap by itself.
        """
        limits, budget = self._budget.limits, self._budget
        day, *of_key = budget.accounts(self._key)
        capped = [
            (self._account, limits.per_request, "the request would cost more than the cap of {:g} USD for one"),
            *((each, limits.per_key, "the record key has used up its cap of {:g} USD a day") for each in of_key),
            (day, None if limits.pauses else limits.per_day, "the service has used up its cap of {:g} USD a day"),
        ]
        waits = False
        for account, cap, message in capped:
            if cap is None:
                continue
            if account.spent + prompt_cost + account.reserved * batch > cap:
                raise OverBudget(message.format(cap), retryable=account is not self._account and prompt_cost <= cap)
            waits = waits or account.spent + account.reserved + prompt_cost > cap
        if limits.pauses and limits.per_day is not None and self.usage == NO_USAGE:  # a request that has begun goes on
            waits = waits or day.spent + day.reserved + prompt_cost > limits.per_day
        return waits

    def record(self, model: str, usage: Usage, batch_item_id: str | None = None) -> Usage:
        """Add a call's usage, and return it with its cost if the model's price is known.

        The usage of a batch item is added only once for each `batch_item_id`.
        """
        if usage.cost_usd is None and (price := self._budget.prices.price_of(model)) is not None:
            usage = usage.model_copy(update={"cost_usd": price.cost(usage)})
        if batch_item_id is not None:
            if batch_item_id in self._recorded_items:
                return usage
            self._recorded_items.add(batch_item_id)
        self.usage += usage
        self._count(model, usage)
        return usage

    def record_reused(self, usage: Usage) -> None:
        """Add the usage of calls that an earlier run of the request has paid: no metric and no other account has it
        again.
        """
        self.usage += usage
        self._account.spent += usage.cost_usd or 0.0

    def _count(self, model: str, usage: Usage) -> None:
        """Add a call's usage to the metrics and the accounts."""
        for direction in ("input", "output", "cached_input", "reasoning"):
            counter = metrics.labelled(metrics.TOKENS, self.task, model, direction)
            if tokens := getattr(usage, f"{direction}_tokens"):
                counter.inc(tokens)
        if usage.characters:
            metrics.labelled(metrics.CHARACTERS, self.task, model).inc(usage.characters)
        if usage.service_tier is not None:
            metrics.labelled(metrics.TIER_CALLS, self.task, model, usage.service_tier).inc()
        if usage.cost_usd is not None:  # a cost of 0 creates the metric too: it shows that the price is known
            metrics.labelled(metrics.COST, self.task, model).inc(usage.cost_usd)
            self._account.spent += usage.cost_usd
            self._budget.record(self._key, usage.cost_usd)
            if usage.service_tier in ("batch", "flex") and (price := self._budget.prices.price_of(model)) is not None:
                live_cost = price.cost(usage.model_copy(update={"service_tier": None}))
                metrics.labelled(metrics.BATCH_SAVINGS, self.task, model).inc(live_cost - price.cost(usage))


class MeteredCall:
    """One call of a model during a `with` block. `expected` is its cost in US dollars, reserved in `accounts`."""

    def __init__(
        self, meter: UsageMeter, model: Model, expected: float = 0.0, accounts: Sequence[SpendAccount] = ()
    ) -> None:
        self._meter, self._model, self._expected, self._accounts = meter, model, expected, accounts
        for account in accounts:
            account.reserve(expected)

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and (usage := attached_usage(error)) is not None:
            self._meter.record(self._model.name, usage)
        if self._accounts:
            self._meter.end_call(self._expected, self._accounts)
