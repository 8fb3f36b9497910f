import os
import signal
import socket
import subprocess
import sys

import pytest

from carteiro.cli.embedded import EmbeddedBroker, EmbeddedBrokerFailed
from tests.conftest import eventually


def test_a_port_in_use_says_what_to_do():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(EmbeddedBrokerFailed, match=f"port {port} cannot be used .*--port"):
            EmbeddedBroker(port).start()


async def test_it_is_gone_when_its_owner_is_killed():
    code = (
        "import time; from carteiro.cli.embedded import EmbeddedBroker; "
        "broker = EmbeddedBroker(); broker.start(); print(broker.address, flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    host, _, port = owner.stdout.readline().strip().rpartition(":")
    socket.create_connection((host, int(port)), 5).close()
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()

    def gone() -> bool:
        try:
            socket.create_connection((host, int(port)), 1).close()
        except OSError:
            return True
        return False

    await eventually(gone)
