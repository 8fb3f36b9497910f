"""What requests cost, and how much they may: for each one, for a record key a day, and for all of a day.

A call is not begun where what is spent already, and what its prompt is sure to cost, would be more than a cap. What
it will write is not known before; so the caps may be passed by that much, and by what runs beside it. A worker knows
its own spending alone, and forgets it with its end.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import structlog

from carteiro.models.failures import ModelFailure
from carteiro.models.interface import Model, Prompt
from carteiro.models.prices import Prices
from carteiro.schemas import Usage
from carteiro.worker.observing import metrics

log = structlog.get_logger("carteiro.worker")


class OverBudget(ModelFailure):
    """A call would pass a spending cap."""

    code = "over_budget"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """US dollars; None for no cap. `parks` says whether the day's cap stops the intake instead of refusing."""

    per_request: float | None = None
    per_key: float | None = None
    per_day: float | None = None
    parks: bool = False

    @property
    def any(self) -> bool:
        """Whether there is a cap at all."""
        return any(cap is not None for cap in (self.per_request, self.per_key, self.per_day))


class Spending:
    """What a worker has spent since midnight, UTC. `changed` is called when the day's cap parks it, and when a new day
    begins after that.
    """

    def __init__(
        self,
        prices: Prices,
        caps: Caps,
        changed: Callable[[], None] = lambda: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.prices, self.caps = prices, caps
        self._changed, self._now = changed, now
        self._day: date = now().date()
        self._total = 0.0
        self._by_key: Counter[bytes] = Counter()

    @property
    def parked(self) -> str | None:
        """Why no request may begin today; None where one may."""
        if not self.caps.parks or self.caps.per_day is None or self.today < self.caps.per_day:
            return None
        return f"the day's cap of {self.caps.per_day:g} USD is reached"

    @property
    def today(self) -> float:
        """US dollars since midnight."""
        self._turn()
        return self._total

    def of_key(self, key: bytes) -> float:
        """US dollars since midnight for requests with this record key."""
        self._turn()
        return self._by_key[key]

    def add(self, key: bytes | None, cost: float) -> None:
        """So much was spent for a request with that record key."""
        parked = self.parked
        self._total += cost
        if key is not None and self.caps.per_key is not None:
            self._by_key[key] += cost  # type: ignore[assignment]  # a Counter of dollars
        if self.parked and not parked:
            log.error("parked until midnight, UTC", reason=self.parked)
            midnight = datetime.combine(self._day + timedelta(days=1), datetime.min.time(), UTC)
            asyncio.get_running_loop().call_later((midnight - self._now()).total_seconds() + 1, self._changed)
            self._changed()

    def _turn(self) -> None:
        if (day := self._now().date()) != self._day:
            self._day, self._total = day, 0.0
            self._by_key.clear()


class Bill:
    """One request's calls, over all its tries and models."""

    def __init__(self, spending: Spending, task: str, key: bytes | None) -> None:
        self._spending, self._task, self._key = spending, task, key
        self.usage = Usage()
        """All that was paid for, also for tries whose outcome was of no use."""
        self._lines: set[str] = set()

    def check(self, model: Model, prompt: Prompt) -> None:
        """Raise `OverBudget` where a call would pass a cap."""
        spending, caps = self._spending, self._spending.caps
        if not caps.any or (price := spending.prices.of(model.name)) is None:
            return
        tokens = sum(model.count_tokens(message.content) for message in prompt.messages)
        sure = price.of(Usage(input_tokens=tokens))
        spent = self.usage.cost_usd or 0.0
        if caps.per_request is not None and spent + sure > caps.per_request:
            raise OverBudget(f"the request would cost more than the cap of {caps.per_request:g} USD for one")
        if caps.per_key is not None and self._key is not None and spending.of_key(self._key) + sure > caps.per_key:
            raise OverBudget(f"the record key has used up its cap of {caps.per_key:g} USD a day")
        if caps.per_day is not None and not caps.parks and spending.today + sure > caps.per_day:
            raise OverBudget(f"the service has used up its cap of {caps.per_day:g} USD a day")

    def add(self, model: str, usage: Usage, line: str | None = None) -> Usage:
        """A call's usage, with what it cost where the price is known. A `line` of a batch counts once."""
        if usage.cost_usd is None and (price := self._spending.prices.of(model)) is not None:
            usage = usage.model_copy(update={"cost_usd": price.of(usage)})
        if line is not None:
            if line in self._lines:
                return usage
            self._lines.add(line)
        self.usage += usage
        for direction in ("input", "output", "cached_input", "reasoning"):
            tokens = getattr(usage, f"{direction}_tokens")
            metrics.of(metrics.TOKENS, self._task, model, direction).inc(tokens)
        if usage.cost_usd:
            metrics.of(metrics.COST, self._task, model).inc(usage.cost_usd)
            self._spending.add(self._key, usage.cost_usd)
            if usage.service_tier == "batch" and (price := self._spending.prices.of(model)) is not None:
                live = price.of(usage.model_copy(update={"service_tier": None}))
                metrics.of(metrics.SAVED, self._task, model).inc(live - price.of(usage))
        return usage
