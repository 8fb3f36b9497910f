"""A child process whose output goes to a file."""

import asyncio
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_START_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class RunningProcess:
    """A started program and its log file."""

    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def has_exited(self) -> bool:
        """True if the process has ended by itself."""
        return self.process.poll() is not None

    @property
    def output(self) -> str:
        """Return the output so far."""
        return self.log.read_text(errors="replace")


def program_path(name: str) -> str:
    """Return the path of a program of this environment."""
    return str(Path(sys.executable).with_name(name))


@contextmanager
def run_process(command: Sequence[str], settings: Mapping[str, str], log: Path) -> Iterator[RunningProcess]:
    """Run a program until the `with` block ends."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=os.environ | settings, stdout=output, stderr=output)
    try:
        yield RunningProcess(process, log)
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def wait_until_ready(process: RunningProcess, http_port: int) -> None:
    """Return once a worker accepts requests. Raise `SystemExit` if it does not start."""
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and not process.has_exited:
        try:
            await asyncio.to_thread(urllib.request.urlopen, f"http://127.0.0.1:{http_port}/readyz", timeout=5)
            return
        except OSError:
            await asyncio.sleep(0.5)
    raise SystemExit(f"{process.log.stem}: the worker does not start:\n{process.output[-2000:]}")
