"""The process of one contender. It serves until SIGTERM."""

import asyncio
import importlib
import sys
from collections.abc import Callable

from benchmarks.delivery.job import Job


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """The event loop that `faststream run` takes: uvloop's where it is installed."""
    try:
        import uvloop
    except ModuleNotFoundError:
        return asyncio.new_event_loop
    made: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return made


if __name__ == "__main__":
    contender = importlib.import_module(f"benchmarks.delivery.contenders.{sys.argv[1]}")
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(contender.run(Job.from_json(sys.argv[2])))
