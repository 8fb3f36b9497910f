"""What a worker says of itself over HTTP: `/livez`, `/readyz`."""

import json
from collections.abc import Callable
from typing import Any

import structlog
from faststream.asgi import AsgiResponse, get
from faststream.asgi.types import Scope

from carteiro.worker.observing import metrics

log = structlog.get_logger("carteiro.worker")


class Health:
    """What the worker is doing, as `/readyz` tells it."""

    def __init__(self, tasks: list[str], parked: Callable[[], str | None], stalled: Callable[[], list[str]]) -> None:
        """`parked` says why no requests are taken although all is set up, `stalled` which partitions stand still."""
        self._joining = set(tasks)
        self._parked, self._stalled = parked, stalled
        self.state = "starting"

    def now(self, state: str) -> None:
        """Set what the worker is doing."""
        self.state = state
        self.look()

    def wait_for(self, tasks: list[str]) -> None:
        """Kafka is awaited, and after it the consumer groups of these tasks."""
        self._joining = set(tasks)
        self.now("waiting for Kafka")

    def joined(self, task: str) -> None:
        """A task's consumer group has told the worker which partitions are its."""
        self._joining.discard(task)
        if not self._joining and not self.ready and self.state != "stopping":
            self.now("ready")
            log.info("ready")

    @property
    def ready(self) -> bool:
        """Whether requests are taken in."""
        return self.state == "ready" and self._parked() is None

    def look(self) -> None:
        """A model was parked, or is back."""
        metrics.READY.set(self.ready)

    def routes(self) -> list[tuple[str, Any]]:
        """The two HTTP routes. `/livez` is for whoever restarts workers: it fails where nothing else helps."""

        @get(include_in_schema=False)
        async def livez(scope: Scope) -> AsgiResponse:  # noqa: ARG001
            stalled = self._stalled()
            return _json(503, f"standing still: {', '.join(stalled)}") if stalled else _json(200, "alive")

        @get(include_in_schema=False)
        async def readyz(scope: Scope) -> AsgiResponse:  # noqa: ARG001
            parked = self._parked() if self.state == "ready" else None
            return _json(200 if self.ready else 503, f"parked: {parked}" if parked else self.state)

        return [("/livez", livez), ("/readyz", readyz)]


def _json(status: int, state: str) -> AsgiResponse:
    return AsgiResponse(json.dumps({"status": state}).encode(), status, {"content-type": "application/json"})
