"""Measurement of the event loop's lag: code that blocks the loop delays every request, and heartbeats too."""

import asyncio
import time

from carteiro.worker.observability import metrics

_EVERY_SECONDS = 0.1


async def watch_event_loop() -> None:
    """Measure the lag of the event loop until cancelled."""
    while True:
        due = time.perf_counter() + _EVERY_SECONDS
        await asyncio.sleep(_EVERY_SECONDS)
        metrics.EVENT_LOOP_LAG.observe(max(time.perf_counter() - due, 0.0))
