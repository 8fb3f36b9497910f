"""Whether a model may be called. What is down, or paid out, is not called by everybody in turn until all have failed.

The widely known pattern is the circuit breaker (Nygard, "Release It!", 2007). Ours never fails anybody: requests
wait, the worker takes no more of them, and a prompt of one token is sent now and then until the model is back.
"""

import asyncio
import random
import time
from collections.abc import Callable

import structlog

from carteiro.models.failures import Misconfigured, ModelFailure, QuotaExhausted, RateLimited, Unavailable
from carteiro.models.interface import ChatModel, Message, Prompt
from carteiro.worker.observing import metrics

log = structlog.get_logger("carteiro.worker")

_FAILURES = 3
"""Failures in a row, of any requests, after which a model is taken to be down."""
_LONGEST_HOLD = 60.0
_SHORT_HOLD = 2.0
"""Where there is another model to ask, a rate limit is waited for no longer than this."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_PROBE = Prompt(messages=[Message("user", "Say yes.")], max_output_tokens=1)
_CLOSED = (Unavailable, RateLimited, Misconfigured)


class Closed(Unavailable):
    """A call would have to wait, and its caller would not."""


class Gate:
    """Before one model. `changed` is called whenever it opens or closes."""

    def __init__(self, model: ChatModel, changed: Callable[[], None]) -> None:
        self.model, self._changed = model, changed
        metrics.PARKED.labels(model.name).set(0)
        self._open = asyncio.Event()
        self._open.set()
        self._failures = 0
        self._not_before = 0.0
        self._probing: asyncio.Task[None] | None = None
        self.reason: str | None = None
        """Why the model is not called; None where it is."""
        self.outages = 0
        """How often a probe has confirmed that the model was to be left alone."""

    @property
    def parked(self) -> bool:
        """Whether no request may begin."""
        return self.reason is not None

    @property
    def closed(self) -> bool:
        """Whether the model is parked, or asks to be left alone for more than a moment."""
        return self.parked or self._not_before - time.monotonic() > _SHORT_HOLD

    async def enter(self, *, patient: bool = True) -> None:
        """Return when the model may be called. Raises `Closed`, where not `patient`, while the gate is."""
        if not patient and self.closed:
            raise Closed(self.reason or f"{self.model.name} asks to be left alone")
        await self._open.wait()

    def succeeded(self) -> None:
        """A call went well."""
        self._failures = 0

    def failed(self, failure: ModelFailure) -> None:
        """A call failed in a way that says something of the model, not of the request."""
        self._failures += 1
        if isinstance(failure, QuotaExhausted | Misconfigured) or self._failures >= _FAILURES:
            self._park(failure)

    def hold(self, seconds: float) -> None:
        """The model has asked to be left alone for so long: who can ask another does, for a minute at the most."""
        self._not_before = max(self._not_before, time.monotonic() + min(seconds, _LONGEST_HOLD))

    async def close(self) -> None:
        """Stop probing."""
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)

    def _park(self, failure: ModelFailure) -> None:
        if self._probing is None:
            self._open.clear()
            self.reason = failure.message
            self._probing = asyncio.create_task(self._probe_until_open())
            self._changed()

    async def _probe_until_open(self) -> None:
        pause = _FIRST_PAUSE
        confirmed = False
        while True:
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311
            try:
                await self.model.complete(_PROBE)
            except _CLOSED as failure:
                if not confirmed:
                    log.error("parked: no requests are taken until the model is back", reason=failure.message)
                    metrics.PARKED.labels(self.model.name).set(1)
                    self.outages += 1
                self.reason, confirmed = failure.message, True
                wait = failure.retry_after if isinstance(failure, RateLimited) else None
                pause = max(min(pause * 2, _LONGEST_PAUSE), min(wait or 0, _LONGEST_PAUSE))
            except Exception as failure:  # noqa: BLE001
                # It answers, if only to turn the probe down.
                log.debug("the probe was turned down", model=self.model.name, reason=repr(failure))
                break
            else:
                break
        if confirmed:
            log.info("the model is back", model=self.model.name)
            metrics.PARKED.labels(self.model.name).set(0)
        self._failures, self.reason, self._probing = 0, None, None
        self._open.set()
        self._changed()
