"""The HTTP server of a worker. It serves until a signal stops the process."""

import errno
import signal
import socket
from types import FrameType
from typing import Any

import uvicorn


class PortUnusable(Exception):
    """The HTTP port cannot be opened. The message says what to do."""


class HttpServer:
    """HTTP server at `host` and `port`; 0 for any free port."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._server: _Server | None = None
        self.listener: socket.socket | None = None
        """The open port; None before `open_port`."""

    @property
    def is_serving(self) -> bool:
        """True from the start of `serve`."""
        return self._server is not None

    def is_stopping(self) -> bool:
        """Return True after `stop`, or after SIGINT or SIGTERM."""
        return self._server is not None and self._server.should_exit

    def open_port(self) -> int:
        """Open the port unless that is done, and return its number. Raise `PortUnusable`."""
        if self.listener is None:
            self.listener = self._open()
        return int(self.listener.getsockname()[1])

    async def serve(self, app: Any) -> None:
        """Serve an ASGI application until `stop`, SIGINT or SIGTERM, and until its lifespan has ended."""
        self.open_port()
        assert self.listener is not None
        self._server = _Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="on"))
        # uvicorn raises the signal again after its stop. It is ignored: a drained worker exits with 0.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        await self._server.serve(sockets=[self.listener])

    def stop(self) -> None:
        """Stop serving, and begin the end of the application's lifespan."""
        assert self._server is not None
        self._server.should_exit = True

    def _open(self) -> socket.socket:
        listener = socket.socket(socket.AF_INET6 if ":" in self._host else socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((self._host, self._port))
        except OSError as error:
            listener.close()
            setting = f"CARTEIRO_HTTP_HOST: {self._host}"
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                setting = f"CARTEIRO_HTTP_PORT: port {self._port}"
            raise PortUnusable(f"{setting} cannot be used ({error.strerror}); set another") from None
        return listener


class _Server(uvicorn.Server):
    """Server that a second SIGINT does not stop before the application's lifespan has ended."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self.force_exit = False
