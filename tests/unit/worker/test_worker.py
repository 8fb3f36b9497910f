"""The life of a worker: its phases, the ends of a start that fails, and its answer to an unknown path."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from aiokafka.errors import KafkaConnectionError
from structlog.testing import capture_logs

from carteiro.kafka.connection import KafkaUnusable
from carteiro.models.cloud.client import CloudModel
from carteiro.models.errors import ModelUnusable
from carteiro.settings.worker import WorkerSettings
from carteiro.worker import worker as module
from carteiro.worker.exit_codes import EXIT_KAFKA, EXIT_MODEL, EXIT_OTHER, EXIT_PORT
from carteiro.worker.observability.health import WorkerPhase
from carteiro.worker.worker import Worker
from services.generate.task import task
from tests.conftest import eventually
from tests.unit.models.cloud.cloud_models import endpoint


def make_worker(**settings: Any) -> Any:
    model = CloudModel("http://started/v1#echo", endpoint("http://127.0.0.1:9/v1"), timeout=30)
    return Worker([task], {"generate": [model]}, WorkerSettings(**settings))


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A worker whose parts do nothing."""
    monkeypatch.setattr(module, "_RETRY_SECONDS", 0)
    monkeypatch.setattr(module, "wait_for_kafka", AsyncMock())
    app = make_worker()
    app._parts.load_models, app._parts.context, app.broker.start = AsyncMock(), AsyncMock(), AsyncMock()
    return app


async def test_start_loads_models_then_connects_then_joins(app: Any) -> None:
    phases: list[tuple[str, WorkerPhase]] = []

    def record(step: str) -> Callable[..., None]:
        return lambda *_: phases.append((step, app.health.phase))

    app._parts.load_models.side_effect = record("load")
    app._parts.context.connect.side_effect = record("connect")
    app.broker.start.side_effect = record("join")
    await app._start_broker()
    assert phases == [
        ("load", WorkerPhase.LOADING),
        ("connect", WorkerPhase.WAITING_FOR_KAFKA),
        ("join", WorkerPhase.JOINING),
    ]
    app.health.group_joined("generate")
    assert app.health.phase is WorkerPhase.READY


async def test_start_is_tried_again_while_kafka_fails_and_logs_each_reason_once(app: Any) -> None:
    app.broker.start.side_effect = [
        KafkaConnectionError("a"),
        KafkaConnectionError("a"),
        KafkaConnectionError("b"),
        None,
    ]
    with capture_logs() as logs:
        await app._start_broker()
    assert app.broker.start.await_count == 4
    assert len([line for line in logs if line["event"] == "cannot take requests yet; trying again"]) == 2
    app._parts.load_models.assert_awaited_once_with()


@pytest.mark.parametrize(
    ("part", "error", "code"),
    [
        ("load_models", ModelUnusable("no such model"), EXIT_MODEL),
        ("connect", KafkaUnusable("no permission"), EXIT_KAFKA),
        ("start", RuntimeError("a fault"), EXIT_OTHER),
    ],
)
async def test_start_that_cannot_succeed_stops_the_worker_with_an_exit_code(
    app: Any, part: str, error: Exception, code: int
) -> None:
    {"load_models": app._parts.load_models, "connect": app._parts.context.connect, "start": app.broker.start}[
        part
    ].side_effect = error
    app._http = Mock(is_serving=True)
    with capture_logs() as logs:
        starting = asyncio.create_task(app._start_broker())
        await eventually(lambda: app._http.stop.called)
    assert app.exit_code == code
    assert (logs[-1]["event"], logs[-1]["reason"], logs[-1]["exit_code"]) == ("cannot start", str(error), code)
    assert (logs[-1]["exc_info"] is None) == (not isinstance(error, RuntimeError))
    assert not starting.done(), "the stop of the server ends the start"
    starting.cancel()


async def test_failed_start_without_an_http_server_is_raised(app: Any) -> None:
    app._parts.load_models.side_effect = ModelUnusable("no such model")
    with pytest.raises(ModelUnusable):
        await app._start_broker()


async def test_stop_drains_before_anything_is_closed(app: Any) -> None:
    events: list[str] = []

    def record(step: str) -> Callable[[], Coroutine[Any, Any, None]]:
        async def run() -> None:
            events.append(step)

        return run

    app._parts.served[0].subscriber.lanes.stop, app._parts.close = record("drain"), record("close")
    app.broker.stop = record("leave")
    await app.stop()
    assert events == ["drain", "leave", "close"]
    assert app.health.phase is WorkerPhase.STOPPING


def test_unusable_port_ends_the_worker_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit) as ended:
            make_worker(http_host="127.0.0.1", http_port=port).open_port()
    assert ended.value.code == EXIT_PORT
    output = capsys.readouterr().err
    assert output.count("\n") == 1
    assert output.startswith(f"carteiro: CARTEIRO_HTTP_PORT: port {port} cannot be used")


async def test_unknown_path_gets_the_list_of_paths() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await make_worker()({"type": "http", "path": "/healthz", "method": "GET", "headers": []}, None, send)
    assert sent[0]["status"] == 404
    assert b"'/healthz'" in sent[1]["body"]
    assert b"/readyz" in sent[1]["body"]
