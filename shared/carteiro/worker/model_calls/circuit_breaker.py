"""The circuit breaker of a model: it stops calls of a model that is down, or whose quota is used up.

The pattern is from Nygard, "Release It!", 2007. This one fails no request: while the circuit is open, requests wait
and the worker takes no more of them. A probe, a prompt of one token, is sent at intervals until the model is back.
"""

import asyncio
import time
from collections.abc import Callable
from enum import Enum

import structlog

from carteiro.concurrency.backoff import Backoff
from carteiro.models.errors import Misconfigured, ModelError, QuotaExhausted, RateLimited, Unavailable
from carteiro.models.interface import RemoteModel
from carteiro.models.probe import probe
from carteiro.worker.observability import metrics

log = structlog.get_logger("carteiro.worker")

_FAILURE_THRESHOLD = 3
"""Consecutive failures, of any requests, after which the circuit opens."""
_MAX_SHORT_WAIT = 2.0
"""Longest wait for a rate limit, in seconds, if there is a fallback model."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_PROBE_TOKENS = 1
_OUTAGES = (Unavailable, RateLimited, Misconfigured)
"""Errors that say that the model is down, or rejects all requests. Any other error is about one request."""


class CircuitOpen(Unavailable):
    """The circuit is open, and the caller does not wait."""


class CircuitState(Enum):
    """State of a circuit. A closed circuit lets calls pass."""

    CLOSED = "closed"
    OPEN = "open"
    """No call passes until a probe succeeds."""
    HALF_OPEN = "half open"
    """Only a probe is under way."""


class CircuitBreaker:
    """Circuit breaker of one model. `on_change` is called when the circuit opens or closes."""

    def __init__(self, model: RemoteModel, on_change: Callable[[], None]) -> None:
        self.model, self._on_change = model, on_change
        metrics.MODEL_CIRCUIT_OPEN.labels(model.name).set(0)
        self._calls_allowed = asyncio.Event()
        self._calls_allowed.set()
        self._consecutive_failures = 0
        self._cool_down_until = 0.0
        self._probe_task: asyncio.Task[None] | None = None
        self.state = CircuitState.CLOSED
        self.reason: str | None = None
        """Reason why the circuit is open; None if it is closed."""
        self.confirmed_outages = 0
        """Number of outages that a probe has confirmed."""

    @property
    def is_open(self) -> bool:
        """True if no request may begin."""
        return self.state is not CircuitState.CLOSED

    @property
    def is_unavailable(self) -> bool:
        """True if the circuit is open, or the model cools down for more than `_MAX_SHORT_WAIT` seconds."""
        return self.is_open or self._cool_down_until - time.monotonic() > _MAX_SHORT_WAIT

    @property
    def cool_down_until(self) -> float:
        """End of the cool-down that the model asked for (monotonic seconds); in the past if there is no cool-down."""
        return self._cool_down_until

    async def acquire(self, *, wait_if_open: bool = True) -> None:
        """Return when the model may be called. Raise `CircuitOpen` if it is unavailable and `wait_if_open` is False."""
        if not wait_if_open and self.is_unavailable:
            raise CircuitOpen(self.reason or f"{self.model.name} is not called now: its provider asked for a pause")
        await self._calls_allowed.wait()

    def record_success(self) -> None:
        """Reset the count of consecutive failures: a call has succeeded."""
        self._consecutive_failures = 0

    def record_failure(self, failure: ModelError) -> None:
        """Count a failure, and open the circuit if it is one too many.

        An error that is about its request is not counted: it says nothing about the model.
        """
        if not isinstance(failure, _OUTAGES):
            return
        self._consecutive_failures += 1
        if isinstance(failure, QuotaExhausted | Misconfigured) or self._consecutive_failures >= _FAILURE_THRESHOLD:
            self._trip(failure)

    def cool_down(self, seconds: float) -> None:
        """Skip the model for `seconds` seconds if there is a fallback model. The provider asked for this pause.

        The caller limits `seconds` by `CARTEIRO_MAX_RETRY_AFTER_SECONDS`.
        """
        self._cool_down_until = max(self._cool_down_until, time.monotonic() + seconds)

    async def stop_probing(self) -> None:
        """Cancel the probe, and wait for its end."""
        if self._probe_task is not None:
            self._probe_task.cancel()
            await asyncio.gather(self._probe_task, return_exceptions=True)

    def _trip(self, failure: ModelError) -> None:
        if self.state is CircuitState.CLOSED:
            self._calls_allowed.clear()
            self.state, self.reason = CircuitState.OPEN, failure.message
            self._probe_task = asyncio.create_task(self._probe_until_recovered())
            self._on_change()

    async def _probe_until_recovered(self) -> None:
        backoff, retry_after, confirmed = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE), 0.0, False
        while True:
            await asyncio.sleep(max(backoff.next_pause(), min(retry_after, _LONGEST_PAUSE)))
            self.state = CircuitState.HALF_OPEN
            try:
                await probe(self.model, _PROBE_TOKENS)
            except _OUTAGES as failure:
                if isinstance(failure, Unavailable) and failure.has_answered:
                    log.debug("the probe's answer is no completion", model=self.model.name, reason=failure.message)
                    break
                if not confirmed:
                    log.error("circuit open: no requests are taken until the model is back", reason=failure.message)
                    metrics.MODEL_CIRCUIT_OPEN.labels(self.model.name).set(1)
                    self.confirmed_outages += 1
                self.state, self.reason, confirmed = CircuitState.OPEN, failure.message, True
                retry_after = (failure.retry_after if isinstance(failure, RateLimited) else None) or 0.0
            except Exception as failure:  # noqa: BLE001
                # The model answers, even if it rejects the probe, so it is back.
                log.debug("the probe was rejected", model=self.model.name, reason=repr(failure))
                break
            else:
                break
        if confirmed:
            log.info("the model is back", model=self.model.name)
            metrics.MODEL_CIRCUIT_OPEN.labels(self.model.name).set(0)
        self.state, self.reason, self._consecutive_failures = CircuitState.CLOSED, None, 0
        self._probe_task = None
        self._calls_allowed.set()
        self._on_change()
