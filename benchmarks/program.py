"""A program beside this one, its output in a file."""

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
class Process:
    """A program that was started."""

    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def ended(self) -> bool:
        """Whether it has ended by itself."""
        return self.process.poll() is not None

    @property
    def output(self) -> str:
        """What it has printed."""
        return self.log.read_text(errors="replace")


def program(name: str) -> str:
    """Where a program of this environment is."""
    return str(Path(sys.executable).with_name(name))


@contextmanager
def running(command: Sequence[str], settings: Mapping[str, str], log: Path) -> Iterator[Process]:
    """Run it until the `with` block ends."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=os.environ | settings, stdout=output, stderr=output)
    try:
        yield Process(process, log)
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def ready(process: Process, http_port: int) -> None:
    """Return once a worker takes requests. Raises `SystemExit` where it does not start."""
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and not process.ended:
        try:
            await asyncio.to_thread(urllib.request.urlopen, f"http://127.0.0.1:{http_port}/readyz", timeout=5)
            return
        except OSError:
            await asyncio.sleep(0.5)
    raise SystemExit(f"{process.log.stem}: the worker does not start:\n{process.output[-2000:]}")
