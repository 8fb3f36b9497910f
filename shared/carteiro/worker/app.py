"""A worker: the FastStream application that serves one task, or several in one process."""

import asyncio
import json
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NoReturn

import structlog
import uvicorn
from aiokafka.errors import KafkaError
from faststream.asgi import AsgiFastStream, AsgiResponse, get
from faststream.asgi.handlers import HttpHandler
from faststream.asgi.types import Scope
from faststream.kafka import KafkaBroker
from faststream.security import BaseSecurity
from prometheus_client import make_asgi_app

from carteiro.models.failures import ModelUnusable
from carteiro.models.interface import Model
from carteiro.worker.asking.chain import Chain, Link
from carteiro.worker.asking.parking import Gate
from carteiro.worker.asking.retrying import may_fail_in_passing
from carteiro.worker.assembly import cache, may_have_batches, open_models, spending
from carteiro.worker.asyncapi import asyncapi
from carteiro.worker.kafka.addressing import Addresses
from carteiro.worker.kafka.reaching import KafkaUnusable, wait_for_kafka
from carteiro.worker.kafka.security import connection_options, ssl_context
from carteiro.worker.observing.health import Health
from carteiro.worker.observing.logs import configure_logs
from carteiro.worker.observing.metrics import REGISTRY
from carteiro.worker.observing.tracing import configure_tracing
from carteiro.worker.remembering.repeats import Repeats
from carteiro.worker.settings import SettingsInvalid, WorkerSettings, load_settings
from carteiro.worker.task import Task
from carteiro.worker.waiting.aside import has_batches
from carteiro.worker.waiting.wiring import wire_waiting
from carteiro.worker.wiring import Shared, wire

log = structlog.get_logger("carteiro.worker")

EXIT_OTHER, EXIT_SETTINGS, EXIT_MODEL, EXIT_KAFKA, EXIT_PORT = 1, 2, 3, 4, 5
"""What a worker's exit code means; 0 is a clean stop."""


class WorkerBroker(KafkaBroker):
    """A broker whose start is that of a worker: first the models, then Kafka, then all groups at once."""

    prepare: Callable[[], Awaitable[None]]
    reach: Callable[[], Awaitable[None]]
    fail: Callable[[Exception], Awaitable[NoReturn]]

    async def start(self) -> None:
        await self.prepare()
        while not self.running:
            try:
                await self.reach()
                await self.connect()
                # FastStream starts one subscriber after the other, and each waits for its group. All are awaited,
                # so that none still starts while it is stopped for another's sake.
                starts = [subscriber.start() for subscriber in self.subscribers]
                for failed in await asyncio.gather(*starts, return_exceptions=True):
                    if isinstance(failed, BaseException):
                        raise failed
                self.running = True
            except KafkaError as error:
                log.warning("cannot take requests yet; trying again", reason=repr(error))
                await asyncio.gather(*(subscriber.stop() for subscriber in self.subscribers), return_exceptions=True)
                await asyncio.sleep(1)
            except Exception as error:  # noqa: BLE001  # whatever it is, a worker that cannot start ends
                await self.fail(error)


class Worker(AsgiFastStream):
    """Serves tasks until it is told to stop. `models` are the tasks' own, by the task's name, in the order in which
    they are to be asked. Where it is `waiting`, it serves the requests that the tasks' services have set aside.
    """

    def __init__(
        self,
        tasks: list[Task[Any, Any]],
        models: dict[str, list[Model]],
        settings: WorkerSettings,
        *,
        waiting: bool = False,
    ) -> None:
        self._tasks, self.settings = tasks, settings
        self._group = settings.group_of(tasks[0].name) + ("-waiting" if waiting else "")
        self._options = connection_options(settings)
        self._models = {model.name: model for several in models.values() for model in several}
        self._gates = {
            name: Gate(model, self._gate_changed) for name, model in self._models.items() if may_fail_in_passing(model)
        }
        self._chains = {
            task: Chain([Link(model, self._gates.get(model.name)) for model in several])
            for task, several in models.items()
        }
        self._spending = spending(settings, self._models, self._gate_changed)
        self._shared = Shared(
            settings,
            self._options,
            Addresses(self._options),
            Repeats(settings.idempotency_seconds),
            cache(settings),
            self._spending,
        )
        self._http: uvicorn.Server | None = None
        self.exit_code = 0
        self.health = Health([task.name for task in tasks], self._parked, self._stalled)
        broker = self._broker()
        wired = wire_waiting if waiting else wire
        self._subscribers = [
            wired(broker, task, self._chains[task.name], self._shared, partial(self.health.joined, task.name))
            for task in tasks
        ]
        super().__init__(
            broker,
            logger=None,
            asgi_routes=[
                *self.health.routes(),
                ("/metrics", make_asgi_app(REGISTRY)),
                ("/asyncapi", self._asyncapi_route()),
            ],
            on_shutdown=[self._stopping],
            after_shutdown=[self._stopped],
        )

    def _broker(self) -> WorkerBroker:
        tls = ssl_context(self.settings)
        broker = WorkerBroker(
            self._options["bootstrap_servers"],
            client_id="carteiro",
            consumer_only=True,
            allow_auto_create_topics=False,
            graceful_timeout=self.settings.grace_seconds,
            # As much of it as FastStream wants to know; its consumers are given the options as they are.
            security=BaseSecurity(ssl_context=tls, use_ssl=tls is not None),
            # It logs each request that is cancelled as an error; what goes wrong with one is in our own log.
            logger=None,
        )
        broker.prepare, broker.reach, broker.fail = self._prepare, self._reach, partial(self._fail, EXIT_OTHER)
        return broker

    def model_of(self, task: str) -> Model:
        """The model that is asked first for a task's replies."""
        return self._chains[task].links[0].model

    async def run(self, log_level: int = 0, run_extra_options: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Serve until SIGINT or SIGTERM; what `faststream run` calls. Raises `SystemExit` with the exit code.

        The settings say all there is to say, so the options of `faststream run` are not looked at.
        """
        port = self.settings.http_port
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("0.0.0.0", port))  # noqa: S104  # probes and scrapers come from other machines
        except OSError as error:
            _leave(EXIT_PORT, f"CARTEIRO_HTTP_PORT: port {port} cannot be used ({error.strerror}); set another")
        log.info("starting", tasks=[task.name for task in self._tasks], http_port=listener.getsockname()[1])
        self._http = uvicorn.Server(uvicorn.Config(self, log_config=None, access_log=False, lifespan="on"))
        # uvicorn raises the signal again once it has stopped: a drained worker has ended well, not been killed.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        await self._http.serve(sockets=[listener])
        if self.exit_code:
            raise SystemExit(self.exit_code)

    async def _prepare(self) -> None:
        self.health.now("loading the model")
        try:
            for model in self._models.values():
                await model.load()
        except Exception as error:  # noqa: BLE001  # whatever it is, a worker that cannot start ends
            await self._fail(EXIT_MODEL, error)

    async def _reach(self) -> None:
        self.health.wait_for([task.name for task in self._tasks])
        try:
            await wait_for_kafka(self._options)
            await self._shared.connect(self._group)
        except KafkaError:
            raise
        except Exception as error:  # noqa: BLE001  # the same
            await self._fail(EXIT_KAFKA, error)
        self.health.now("joining the group")

    def _parked(self) -> str | None:
        parked = [chain.parked for chain in self._chains.values()]
        return next(filter(None, [self._spending.parked, *parked]), None)

    def _stalled(self) -> list[str]:
        return [stalled for each in self._subscribers for stalled in each.lanes.stalled]

    def _gate_changed(self) -> None:
        self.health.look()
        for subscriber in self._subscribers:
            subscriber.lanes.fill()

    def _asyncapi_route(self) -> HttpHandler:
        @get(include_in_schema=False)
        async def document(scope: Scope) -> AsgiResponse:  # noqa: ARG001
            made = asyncapi([task.request for task in self._tasks], self.settings.topics)
            return AsgiResponse(json.dumps(made).encode(), headers={"content-type": "application/json"})

        return document

    async def _fail(self, code: int, error: Exception) -> NoReturn:
        """End the worker with its exit code: no waiting mends this."""
        if self._http is None:
            raise error
        foreseen = isinstance(error, ModelUnusable | KafkaUnusable)
        log.critical("cannot start", reason=str(error), exit_code=code, exc_info=None if foreseen else error)
        self.exit_code = code
        self._http.should_exit = True
        await asyncio.Event().wait()  # until the server's stop cancels the start
        raise AssertionError

    async def _stopping(self) -> None:
        self.health.now("stopping")
        log.info("stopping: no new requests; finishing those in flight", grace_seconds=self.settings.grace_seconds)
        await asyncio.gather(*(subscriber.lanes.stop() for subscriber in self._subscribers))

    async def _stopped(self) -> None:
        for gate in self._gates.values():
            await gate.close()
        await self._shared.disconnect()
        await self._shared.cache.close()
        for model in self._models.values():
            await model.close()
        log.info("stopped")


def worker(*tasks: Task[Any, Any], waiting: bool = False) -> Worker:
    """The worker of these tasks, or of what they have set aside, set up from the environment. Leaves with one line
    where the settings are wrong.
    """
    try:
        settings, model_settings = load_settings()
        configure_logs(settings.log_level, settings.log_format)
        if waiting:
            tasks = tuple(task for task in tasks if may_have_batches(task, settings))
        models = open_models(tasks, settings, model_settings)
        if waiting:
            tasks = tuple(task for task in tasks if has_batches(models[task.name][0]))
            models = {task.name: models[task.name] for task in tasks}
            if not tasks:
                raise ModelUnusable("no task has a model with batches, as openai:, azure: and google: with a key have")
        name = "waiting" if waiting else tasks[0].name if len(tasks) == 1 else None
        configure_tracing(f"carteiro-{name}" if name else "carteiro")
        return Worker(list(tasks), models, settings, waiting=waiting)
    except SettingsInvalid as error:
        _leave(EXIT_SETTINGS, str(error))
    except ModelUnusable as error:
        _leave(EXIT_MODEL, f"CARTEIRO_MODEL: {error}")


def _leave(code: int, lines: str) -> NoReturn:
    for line in lines.splitlines():
        print(f"carteiro: {line}", file=sys.stderr)  # noqa: T201  # logs may not be set up, and people read this
    raise SystemExit(code)
