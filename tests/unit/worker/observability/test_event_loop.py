"""A task that blocks the event loop is measured."""

import asyncio
import time

from carteiro.worker.observability import event_loop
from carteiro.worker.observability.metrics import EVENT_LOOP_LAG
from tests.conftest import eventually


def count_above(over: float) -> float:
    """Return the number of measurements above `over` seconds."""
    samples = {each.labels.get("le"): each.value for each in EVENT_LOOP_LAG.collect()[0].samples}
    return samples["+Inf"] - samples[str(over)]


async def test_blocked_event_loop_is_measured_as_lag(monkeypatch):
    monkeypatch.setattr(event_loop, "_EVERY_SECONDS", 0.01)
    watching = asyncio.create_task(event_loop.watch_event_loop())
    before = count_above(0.25)
    await asyncio.sleep(0)
    time.sleep(0.4)
    await eventually(lambda: count_above(0.25) > before)
    watching.cancel()
