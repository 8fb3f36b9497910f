"""A model that completes prompts by batches, and live where there is no more time for that."""

import time
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from carteiro.models.failures import Unavailable
from carteiro.models.interface import ChatModel, Completion, Prompt
from carteiro.worker.asking.spending import Bill
from carteiro.worker.asking.wrapping import Wrapping
from carteiro.worker.observing import metrics
from carteiro.worker.waiting.office import Office, TimeIsUp

log = structlog.get_logger("carteiro.worker")

_PATIENCE_SECONDS = 24 * 3600.0
"""How long a request waits that does not say for how long it can."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Where a request waits: its offset, and the office of its partition."""

    task: str
    office: Office
    offset: int


REQUEST: ContextVar[Waiting] = ContextVar("REQUEST")
"""The request that is being served."""


class WaitingModel(Wrapping[ChatModel]):
    """A model as one waiting request sees it. `model` is how it is called live, where it is `alone`; else the next one
    of its chain is asked. What batches cost goes on the `bill` here, live calls where they are made.
    """

    def __init__(self, model: ChatModel, bill: Bill, deadline: datetime | None, *, alone: bool) -> None:
        self._model, self._bill, self._alone = model, bill, alone
        self._until = deadline.timestamp() if deadline else time.time() + _PATIENCE_SECONDS

    async def complete(self, prompt: Prompt) -> Completion:
        waiting = REQUEST.get()
        self._bill.check(self._model, prompt)
        try:
            line, completion = await waiting.office.complete(self.name, prompt, waiting.offset, self._until)
        except TimeIsUp:
            log.info("a waiting request is done live", model=self.name)
            metrics.of(metrics.WENT_LIVE, waiting.task).inc()
            if not self._alone:
                raise Unavailable(f"there is no more time for a batch of {self.name}") from None
            return await self._model.complete(prompt)
        usage = completion.usage.model_copy(update={"service_tier": "batch"})
        return replace(completion, usage=self._bill.add(self.name, usage, line))
