"""A checkout for each test, and the end of its background processes."""

import os
import signal
import subprocess
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.setup.checkout import Checkout


@pytest.fixture(scope="session")
def bare_env(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a real environment without pip. To copy it is quicker than to make one in every test."""
    path = tmp_path_factory.mktemp("bare") / "env"
    venv.create(path, symlinks=True)
    return path


@pytest.fixture
def checkout(tmp_path: Path, bare_env: Path) -> Checkout:
    root = tmp_path / "a checkout"
    root.mkdir()
    return Checkout(root, tmp_path / "outside", bare_env)


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    """Yield a list for background processes, and end them after the test."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
