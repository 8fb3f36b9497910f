"""What a worker says of itself over HTTP: `/livez`, `/readyz`."""

import json
from typing import Any

import structlog
from faststream.asgi import AsgiResponse, get
from faststream.asgi.types import Scope

from carteiro.worker import metrics

log = structlog.get_logger("carteiro.worker")


class Health:
    """What the worker is doing, as `/readyz` tells it."""

    def __init__(self, tasks: list[str]) -> None:
        self._joining = set(tasks)
        self.state = "starting"

    def now(self, state: str) -> None:
        """Set what the worker is doing."""
        self.state = state
        metrics.READY.set(self.ready)

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
        return self.state == "ready"

    def routes(self) -> list[tuple[str, Any]]:
        """The two HTTP routes. `/livez` answers as long as the event loop turns; that is what it is for."""

        @get(include_in_schema=False)
        async def livez(scope: Scope) -> AsgiResponse:  # noqa: ARG001
            return _json(200, "alive")

        @get(include_in_schema=False)
        async def readyz(scope: Scope) -> AsgiResponse:  # noqa: ARG001
            return _json(200 if self.ready else 503, self.state)

        return [("/livez", livez), ("/readyz", readyz)]


def _json(status: int, state: str) -> AsgiResponse:
    return AsgiResponse(json.dumps({"status": state}).encode(), status, {"content-type": "application/json"})
