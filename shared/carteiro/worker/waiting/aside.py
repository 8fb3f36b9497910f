"""Which requests are set aside until a batch has done their work."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from carteiro.models.cloud.batches.interface import BatchModel
from carteiro.models.interface import Model
from carteiro.schemas import Request
from carteiro.worker.asking.chain import Chain


class CanWait(Exception):
    """The request is to be set aside."""


@dataclass(frozen=True, slots=True)
class Aside:
    """Requests with at least the time `least` that say they can wait, or whose deadline is `far` away; None for a task
    whose requests are to keep their order unless they say so.
    """

    least: timedelta
    far: timedelta | None = None

    def takes(self, request: Request[Any], deadline: datetime | None, chain: Chain) -> bool:
        """Whether a request is set aside. One of a conversation that is kept has its turn, and one that is shown while
        it is written has somebody who looks."""
        if deadline is None or not has_batches(chain.links[0].model):
            return False
        if request.options.stream or getattr(request, "conversation_id", None) is not None:
            return False
        left = deadline - datetime.now(UTC)
        asked = request.options.wait is not None or (self.far is not None and left >= self.far)
        return asked and left >= self.least


def has_batches(model: Model) -> bool:
    """Whether the model's provider works off batches."""
    return isinstance(model, BatchModel) and model.batches is not None
