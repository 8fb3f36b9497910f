"""Processes next to this one: the contender, whose processor time is measured from outside, and the model's server."""

import bisect
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.delivery.contender_config import ContenderConfig
from benchmarks.delivery.contenders import Contender

_STOP_SECONDS = 45.0


@dataclass(frozen=True, slots=True)
class UsageSample:
    """Resources used by a process and by the whole machine, in seconds, at a moment (seconds since 1970)."""

    at: float
    cpu: float
    machine: float
    memory: int


class ContenderExited(Exception):
    """The contender ended by itself. The message is the end of its log."""


class ContenderProcess:
    """A running contender, until the `with` block ends."""

    def __init__(self, contender: Contender, job: ContenderConfig, log: Path) -> None:
        self._log, self.samples = log, list[UsageSample]()
        command = [sys.executable, "-m", "benchmarks.delivery.contenders", contender.module, job.to_json()]
        with log.open("wb") as output:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        self._usage = psutil.Process(self._process.pid)

    def __enter__(self) -> "ContenderProcess":
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the process. It may finish its requests in flight for a limited time."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def sample(self) -> UsageSample:
        """Record the resources used so far. Raise `ContenderExited` if the process ended."""
        if self._process.poll() is not None:
            lines = self._log.read_text(errors="replace").strip().splitlines()
            raise ContenderExited(f"exit code {self._process.returncode}: " + " | ".join(lines[-3:]))
        own, machine = self._usage.cpu_times(), psutil.cpu_times()
        busy = sum(machine) - machine.idle - getattr(machine, "iowait", 0.0) - getattr(machine, "guest", 0.0)
        sample = UsageSample(time.time(), own.user + own.system, busy, self._usage.memory_info().rss)
        self.samples.append(sample)
        return sample


def usage_between(samples: list[UsageSample], begin: float, end: float) -> UsageSample:
    """Return the resources used between two moments, by linear interpolation. Memory is the maximum."""
    first, last = _interpolate(samples, begin), _interpolate(samples, end)
    memory = max(sample.memory for sample in samples)
    return UsageSample(end - begin, last.cpu - first.cpu, last.machine - first.machine, memory)


def _interpolate(samples: list[UsageSample], moment: float) -> UsageSample:
    after = min(max(bisect.bisect(samples, moment, key=lambda sample: sample.at), 1), len(samples) - 1)
    one, other = samples[after - 1], samples[after]
    share = min(max((moment - one.at) / (other.at - one.at), 0.0), 1.0)
    return UsageSample(
        moment,
        one.cpu + share * (other.cpu - one.cpu),
        one.machine + share * (other.machine - one.machine),
        other.memory,
    )


@contextmanager
def provider(latency: float) -> Iterator[str]:
    """Run the model's server, and yield its address."""
    command = [sys.executable, "-m", "benchmarks.delivery.provider", str(latency)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.terminate()
        process.wait()
