"""The HTTP server of a worker: its port, its life, and the worker's answer to an unknown path."""

import asyncio
import signal
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from carteiro.worker.http_server import HttpServer, PortUnusable
from tests.conftest import eventually


def addresses() -> list[str]:
    """Return the addresses of this machine that tests can open. IPv6 may be disabled."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return ["127.0.0.1", "0.0.0.0"]
    return ["127.0.0.1", "0.0.0.0", "::1"]


@pytest.mark.parametrize("host", addresses())
def test_port_is_opened_once_at_the_configured_address(host: str) -> None:
    server = HttpServer(host, 0)
    port = server.open_port()
    assert server.listener is not None
    with server.listener as listener:
        assert listener.getsockname()[:2] == (host, port)
        assert server.open_port() == port


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("127.0.0.1", "CARTEIRO_HTTP_PORT: port {port} cannot be used"),
        ("no-such-host.invalid", "CARTEIRO_HTTP_HOST: no-such-host.invalid cannot be used"),
        ("203.0.113.1", "CARTEIRO_HTTP_HOST: 203.0.113.1 cannot be used"),
    ],
)
def test_unusable_port_is_named_in_one_line(host: str, words: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortUnusable) as unusable:
            HttpServer(host, port).open_port()
    message = str(unusable.value)
    assert words.format(port=port) in message
    assert "\n" not in message


@pytest.fixture
def restored_signals() -> Iterator[None]:
    """Restore the signal handlers of this process, which a server replaces."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


class LifespanApp:
    """ASGI application that records its life."""

    def __init__(self) -> None:
        self.events: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "lifespan"
        while not self.events or self.events[-1] != "shutdown":
            event = (await receive())["type"].removeprefix("lifespan.")
            self.events.append(event)
            await send({"type": f"lifespan.{event}.complete"})


async def test_server_serves_until_it_is_stopped(restored_signals: None) -> None:
    server, app = HttpServer("127.0.0.1", 0), LifespanApp()
    assert not server.is_serving
    assert not server.is_stopping()
    serving = asyncio.create_task(server.serve(app))
    await eventually(lambda: app.events == ["startup"])
    assert server.is_serving
    server.stop()
    assert server.is_stopping()
    await serving
    assert app.events == ["startup", "shutdown"]


async def test_repeated_ctrl_c_cuts_no_shutdown_short(restored_signals: None) -> None:
    server, app = HttpServer("127.0.0.1", 0), LifespanApp()
    serving = asyncio.create_task(server.serve(app))
    await eventually(lambda: app.events == ["startup"])
    for _ in range(3):
        signal.raise_signal(signal.SIGINT)
    await serving
    assert app.events == ["startup", "shutdown"]
