"""All tasks in this process on the embedded broker, with the form enabled and their HTTP port open."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import uvicorn

from carteiro.cli.embedded import EmbeddedBroker
from carteiro.tasks.discovery import find_tasks
from carteiro.worker.app import worker
from carteiro.worker.worker import Worker
from tests.broker.conftest import environment
from tests.browser.chromium import Chromium, find_chromium
from tests.conftest import eventually
from tests.provider import Provider


class ServedWorker:
    """A worker and its address."""

    def __init__(self, app: Worker, url: str) -> None:
        self.app, self.url = app, url


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def served(broker: EmbeddedBroker, provider: Provider) -> AsyncIterator[ServedWorker]:
    settings = {
        "CARTEIRO_TOPIC_PREFIX": "shown",
        "CARTEIRO_LOG_LEVEL": "error",
        "CARTEIRO_HTTP_FORM": "true",
        "CARTEIRO_HTTP_HOST": "127.0.0.1",
        "CARTEIRO_HTTP_PORT": "0",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (environment(broker, provider) | settings).items():
            patch.setenv(name, value)
        app = worker(*find_tasks())
    port = app.open_port()
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))
    # The signals are pytest's.
    serving = asyncio.create_task(server._serve(sockets=[app._http.listener]))
    await app.start()
    await eventually(lambda: app.health.ready and server.started)
    yield ServedWorker(app, f"http://127.0.0.1:{port}/")
    await app.stop()
    server.should_exit = True
    await serving


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def chromium() -> AsyncIterator[Chromium]:
    if (program := find_chromium()) is None:
        pytest.skip("no chromium in PATH: it is Debian's package of that name")
    async with Chromium(program) as running:
        yield running
