"""The provider's service tier for a request: the cheapest in which its deadline can be kept."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog

from carteiro.models.errors import Misconfigured, ModelError, RateLimited, Unavailable
from carteiro.models.prompt import Prompt
from carteiro.models.results import Completion
from carteiro.schemas import Options, ServiceTier
from carteiro.worker.model_calls.circuit_breaker import CircuitOpen
from carteiro.worker.observability import metrics

log = structlog.get_logger("carteiro.worker")
Complete = Callable[[Prompt], Awaitable[Completion]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TierPolicy:
    """Policy that chooses the tier of a request. Times are in seconds."""

    allowed: frozenset[ServiceTier] = frozenset({"flex"})
    """Tiers besides the standard tier that requests may use."""
    standard_seconds: float = 120.0
    """Time before the deadline that is kept for a call in the standard tier."""
    flex_min_deadline: float | None = None
    """Time to the deadline from which a request without `options.wait` is served in `flex` too; None for never."""
    priority_max_deadline: float | None = None
    """Time to the deadline up to which a request is served in `priority`; None for never."""

    def permits(self, tier: ServiceTier | None) -> bool:
        """Return True if a request may name this tier."""
        return tier is None or tier == "standard" or tier in self.allowed

    def choose(self, options: Options, deadline: datetime | None) -> ServiceTier | None:
        """Return the tier that the request names, or else the one for its deadline; None for the provider's default.

        A streamed request is not served in `flex`, unless it names it, as its caller reads along.
        """
        if options.service_tier is not None or deadline is None:
            return options.service_tier
        remaining = (deadline - datetime.now(UTC)).total_seconds()
        can_wait = options.wait is not None or (
            self.flex_min_deadline is not None and remaining >= self.flex_min_deadline and not options.stream
        )
        if can_wait and "flex" in self.allowed and remaining >= 2 * self.standard_seconds:
            return "flex"
        hurries = self.priority_max_deadline is not None and remaining <= self.priority_max_deadline
        return "priority" if hurries and "priority" in self.allowed else None

    def flex_seconds(self, deadline: datetime | None) -> float | None:
        """Return the longest duration of a call in `flex`, which leaves time for another one in the standard tier; None
        without a deadline.
        """
        if deadline is None:
            return None
        remaining = max((deadline - datetime.now(UTC)).total_seconds(), 0.0)
        return remaining - min(self.standard_seconds, remaining / 2)


class TieredCalls:
    """Calls of one model for one request of `task`, in a service tier.

    A call that `flex` does not serve, or not in time, is made in the standard tier. So are all later calls of the
    request: their time is shorter, and the capacity the same.
    """

    def __init__(self, tier: ServiceTier, policy: TierPolicy, deadline: datetime | None, task: str) -> None:
        self._tier, self._policy, self._deadline, self._task = tier, policy, deadline, task

    async def complete(self, model: str, prompt: Prompt, once: Complete, retried: Complete) -> Completion:
        """Return the completion of a prompt: by `once`, one call, in `flex`, or else by `retried`. `model` is its name
        in the log. Raise their errors.
        """
        if self._tier == "flex":
            try:
                async with asyncio.timeout(self._policy.flex_seconds(self._deadline)):
                    return await once(_in_tier(prompt, "flex"))
            except CircuitOpen:
                raise
            except (Unavailable, RateLimited, Misconfigured, TimeoutError) as failure:
                # An error of every tier is handled by the call in the standard tier.
                self._tier = "standard"
                reason = failure.message if isinstance(failure, ModelError) else "it ran out of time"
                log.info("a call moves up from the tier flex to standard", model=model, reason=reason)
                metrics.labelled(metrics.FLEX_FALLBACKS, self._task).inc()
        return await retried(_in_tier(prompt, self._tier))


def _in_tier(prompt: Prompt, tier: ServiceTier) -> Prompt:
    if prompt.service_tier == tier:
        return prompt  # The caller chose it.
    return replace(prompt, service_tier=tier, service_options=prompt.service_options | {"service_tier"})
