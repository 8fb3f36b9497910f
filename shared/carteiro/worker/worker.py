"""A worker: the FastStream application that serves topics until it is stopped."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

import structlog
from aiokafka.errors import KafkaError
from faststream.asgi import AsgiFastStream, AsgiResponse
from faststream.asgi.types import Receive, Scope, Send
from prometheus_client import make_asgi_app

from carteiro.enrichment.enrichment_file import EnrichmentFile
from carteiro.kafka.connection import KafkaUnusable, join_error_message, wait_for_kafka
from carteiro.models.errors import ModelUnusable
from carteiro.models.interface import Model
from carteiro.models.local.inference.thread import set_exit_code
from carteiro.registry.connection import Registry
from carteiro.settings.worker import WorkerSettings
from carteiro.tasks.task import Task
from carteiro.worker.composition.broker import WorkerBroker
from carteiro.worker.composition.collections import CollectionIndex
from carteiro.worker.composition.parts import WorkerParts
from carteiro.worker.exit_codes import EXIT_KAFKA, EXIT_MODEL, EXIT_OTHER, EXIT_PORT, exit_with
from carteiro.worker.garbage_collection import exempt_all_at_exit
from carteiro.worker.http_server import HttpServer, PortUnusable
from carteiro.worker.observability.health import WorkerPhase
from carteiro.worker.observability.metrics import REGISTRY
from carteiro.worker.page.routes import page_routes
from carteiro.worker.page.state import WorkerStateReader

log = structlog.get_logger("carteiro.worker")

_RETRY_SECONDS = 1.0


class Worker(AsgiFastStream):
    """Worker that serves tasks until it is stopped.

    `run` opens the HTTP port. While it is served, FastStream calls the phases: `_start_broker` until all groups are
    joined, and after SIGINT or SIGTERM `_drain` and `_finish`.
    """

    def __init__(
        self,
        tasks: list[Task[Any, Any]],
        models: dict[str, list[Model]],
        settings: WorkerSettings,
        *,
        batch: bool = False,
        enrichments: Sequence[EnrichmentFile] = (),
        index: CollectionIndex | None = None,
        registry: Registry | None = None,
    ) -> None:
        """Create a worker that is not started.

        `models` are the models of each task by its name, in the order of the fallback chain. With `batch` the worker
        serves the deferred requests of the tasks. With `enrichments` it serves their events, and `models` are those of
        each step by `EnrichmentStep.chain_name`. With `index` it fills collections too, by the model of `INDEX_CHAIN`.
        `registry` has the schemas of requests and events that are not JSON.
        """
        self.settings = settings
        self.exit_code = 0
        self._http = HttpServer(settings.http_host, settings.http_port)
        broker = WorkerBroker(settings)
        self._parts = parts = WorkerParts(
            tasks, models, settings, broker, batch=batch, enrichments=enrichments, index=index, registry=registry
        )
        self.health = parts.health
        state = WorkerStateReader(parts.served, parts.context, parts.health)
        form_tasks = [] if enrichments else tasks
        super().__init__(
            broker,
            logger=None,
            asgi_routes=[
                *self.health.routes(),
                ("/metrics", make_asgi_app(REGISTRY)),
                *page_routes(form_tasks, settings, parts.context.client_options, state, self._http.is_stopping),
            ],
            on_shutdown=[self._drain],
            after_shutdown=[self._finish],
        )

    def open_port(self) -> int:
        """Open the HTTP port unless that is done, and return its number. Raise `SystemExit` if it cannot be used."""
        try:
            return self._http.open_port()
        except PortUnusable as error:
            exit_with(EXIT_PORT, str(error))

    async def run(self, log_level: int = 0, run_extra_options: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Serve until SIGINT or SIGTERM. Raise `SystemExit` with the exit code, unless it is 0.

        `faststream run` calls this. Its options are ignored, as the settings replace them.
        """
        self.open_port()
        await self._http.serve(self)
        exempt_all_at_exit()
        set_exit_code(self.exit_code)
        if self.exit_code:
            raise SystemExit(self.exit_code)

    async def _start_broker(self) -> None:
        """Load the models, wait for Kafka, and join all groups. The HTTP port is served meanwhile."""
        if self._http.is_serving:
            # Only now do SIGINT and SIGTERM lead to a clean stop.
            log.info(
                "starting",
                tasks=[each.name for each in self._parts.served],
                models={task: chain.model_names for task, chain in self._parts.chains.items()},
                kafka=self.settings.bootstrap_servers,
                http_port=self.open_port(),
            )
        self.health.set_phase(WorkerPhase.LOADING)
        await self._run_phase(EXIT_MODEL, self._parts.load_models())
        logged_reason = ""
        while True:
            try:
                self.health.expect_groups([each.name for each in self._parts.served])
                await self._run_phase(EXIT_KAFKA, self._connect())
                self.health.set_phase(WorkerPhase.JOINING)
                return await self._run_phase(EXIT_OTHER, super()._start_broker())
            except KafkaError as error:
                if (reason := join_error_message(error, self._parts.group)) != logged_reason:
                    log.warning("cannot take requests yet; trying again", reason=reason)
                logged_reason = reason
                await asyncio.sleep(_RETRY_SECONDS)

    async def _connect(self) -> None:
        await wait_for_kafka(self._parts.context.client_options)
        await self._parts.context.connect(self._parts.group)

    async def _drain(self) -> None:
        """Take no more requests, finish those in flight, and commit."""
        self.health.set_phase(WorkerPhase.STOPPING)
        log.info("stopping: no new requests; finishing those in flight", grace_seconds=self.settings.grace_seconds)
        await asyncio.gather(*(each.subscriber.lanes.stop() for each in self._parts.served))

    async def _finish(self) -> None:
        """Close all connections and models."""
        await self._parts.close()
        log.info("stopped")

    async def _run_phase(self, exit_code: int, phase: Awaitable[None]) -> None:
        """Wait for a phase of the start. Raise its `KafkaError`, after which it is tried again.

        Any other error ends the worker with the exit code; without an HTTP server it is raised.
        """
        try:
            await phase
        except KafkaError:
            raise
        except Exception as error:
            if not self._http.is_serving:
                raise
            expected = isinstance(error, ModelUnusable | KafkaUnusable)
            log.critical("cannot start", reason=str(error), exit_code=exit_code, exc_info=None if expected else error)
            self.exit_code = exit_code
            self._http.stop()
            await asyncio.Event().wait()  # the stop of the server cancels this start

    async def not_found(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an unknown path with 404 and the known paths. FastStream's answer does not list them."""
        if scope["type"] != "http":
            await super().not_found(scope, receive, send)
            return
        paths = " ".join(path for path, _ in self.routes)
        await AsgiResponse(f"there is no {scope['path'][:100]!a} here; there are {paths}\n".encode(), 404)(
            scope, receive, send
        )
