"""Processes beside this one: the contender, whose processor time is followed from outside, and the model's server."""

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

from benchmarks.delivery.contenders import Contender
from benchmarks.delivery.job import Job

_STOP_SECONDS = 45.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process had used at a moment (seconds since 1970), and the whole machine with it, in seconds."""

    at: float
    cpu: float
    machine: float
    memory: int


class Ended(Exception):
    """The contender ended by itself. The message is the end of its log."""


class ContenderProcess:
    """A contender at work, until the `with` block ends."""

    def __init__(self, contender: Contender, job: Job, log: Path) -> None:
        self._log, self.samples = log, list[Sample]()
        command = [sys.executable, "-m", "benchmarks.delivery.contenders", contender.module, job.to_json()]
        with log.open("wb") as output:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        self._usage = psutil.Process(self._process.pid)

    def __enter__(self) -> "ContenderProcess":
        return self

    def __exit__(self, *_: object) -> None:
        """Let it finish what it has in flight, for a while."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def sample(self) -> Sample:
        """Note what it has used so far. Raises `Ended`."""
        if self._process.poll() is not None:
            lines = self._log.read_text(errors="replace").strip().splitlines()
            raise Ended(f"exit code {self._process.returncode}: " + " | ".join(lines[-3:]))
        own, machine = self._usage.cpu_times(), psutil.cpu_times()
        busy = sum(machine) - machine.idle - getattr(machine, "iowait", 0.0) - getattr(machine, "guest", 0.0)
        sample = Sample(time.time(), own.user + own.system, busy, self._usage.memory_info().rss)
        self.samples.append(sample)
        return sample


def used(samples: list[Sample], begin: float, end: float) -> Sample:
    """What was used between two moments; between samples it is taken to grow evenly. Memory is the most of it."""
    first, last = _at(samples, begin), _at(samples, end)
    memory = max(sample.memory for sample in samples)
    return Sample(end - begin, last.cpu - first.cpu, last.machine - first.machine, memory)


def _at(samples: list[Sample], moment: float) -> Sample:
    after = min(max(bisect.bisect(samples, moment, key=lambda sample: sample.at), 1), len(samples) - 1)
    one, other = samples[after - 1], samples[after]
    share = min(max((moment - one.at) / (other.at - one.at), 0.0), 1.0)
    return Sample(
        moment,
        one.cpu + share * (other.cpu - one.cpu),
        one.machine + share * (other.machine - one.machine),
        other.memory,
    )


@contextmanager
def provider(latency: float) -> Iterator[str]:
    """The model's server; gives its address."""
    command = [sys.executable, "-m", "benchmarks.delivery.provider", str(latency)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.terminate()
        process.wait()
