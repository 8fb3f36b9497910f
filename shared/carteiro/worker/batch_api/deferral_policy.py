"""The policy for deferral: the requests that wait for a batch."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from carteiro.models.cloud.batch_api.interface import BatchModel
from carteiro.models.interface import Model
from carteiro.schemas import Request
from carteiro.worker.model_calls.fallback import FallbackChain


class DeferRequest(Exception):
    """The request has to be deferred."""


@dataclass(frozen=True, slots=True)
class DeferralPolicy:
    """Policy that chooses the requests that are deferred."""

    min_wait: timedelta
    """Minimum time to the deadline of any deferred request."""
    min_deadline: timedelta | None = None
    """Time to the deadline from which a request without `options.wait` is deferred too. None for never, for
    example if the task keeps the order of requests.
    """

    def defers(self, request: Request[Any], deadline: datetime | None, chain: FallbackChain) -> bool:
        """Return True if a request is deferred.

        A request of a stored conversation is not deferred, as later turns wait for it. A streamed request is not
        deferred, as its caller reads along. Tiers are those of live calls, so a request that names one is not deferred.
        """
        if deadline is None or not supports_batches(chain.targets[0].model):
            return False
        if request.options.stream or getattr(request, "conversation_id", None) is not None:
            return False
        if request.options.service_tier is not None:
            return False
        remaining = deadline - datetime.now(UTC)
        can_wait = request.options.wait is not None or (
            self.min_deadline is not None and remaining >= self.min_deadline
        )
        return can_wait and remaining >= self.min_wait


def supports_batches(model: Model) -> bool:
    """Return True if the model's provider has a batch API."""
    return isinstance(model, BatchModel) and model.batches is not None
