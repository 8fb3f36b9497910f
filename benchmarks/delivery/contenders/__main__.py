"""The process of one contender. It serves until SIGTERM."""

import asyncio
import importlib
import sys
from collections.abc import Callable

from benchmarks.delivery.contender_config import ContenderConfig


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return the event loop factory that `faststream run` uses: uvloop's if it is installed."""
    try:
        import uvloop
    except ModuleNotFoundError:
        return asyncio.new_event_loop
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


if __name__ == "__main__":
    contender = importlib.import_module(sys.argv[1])
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(contender.run(ContenderConfig.from_json(sys.argv[2])))
