"""`carteiro healthcheck` in a process of its own, as an image runs it, against a port that answers as a worker."""

import http.server
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

CHECK = "import sys; sys.argv = ['carteiro', 'healthcheck']; from carteiro.cli.command import main; main()"


def check(port: int, program: str = CHECK) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "CARTEIRO_HTTP_PORT": str(port)}
    return subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True)


@contextmanager
def worker_that_answers(status: int, body: str) -> Iterator[int]:
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_exit_code_says_if_the_worker_is_ready(status: int, code: int) -> None:
    with worker_that_answers(status, "waiting for Kafka") as port:
        done = check(port)
    assert (done.returncode, done.stdout, done.stderr) == (code, "waiting for Kafka\n", "")


def test_port_without_a_worker_is_named() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        done = check(port)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"carteiro: nothing answers on port {port}: ")


def test_check_imports_no_library() -> None:
    counted = CHECK.replace("main()", "import atexit; atexit.register(lambda: print(*sys.modules)); main()")
    with worker_that_answers(200, "") as port:
        loaded = {name.partition(".")[0] for name in check(port, counted).stdout.split()}
    assert {"http", "carteiro"} <= loaded
    assert not loaded & {"typer", "click", "rich", "pydantic", "aiokafka", "structlog"}
