"""Worker processes of all six services, which can be killed, paused and looked at."""

import signal
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import psutil

from benchmarks.program import Process, program, ready, running
from benchmarks.soak.record import Seen
from tests.containers.conftest import free_port


class Workers:
    """`carteiro up`, as often as there are names. Their logs go to the folder, one file for each life."""

    def __init__(self, settings: Mapping[str, str], logs: Path) -> None:
        self._settings, self._logs = settings, logs
        self._stack = ExitStack()
        self._lives: dict[str, int] = {}
        self._processes: dict[str, Process] = {}
        self.ended: list[str] = []
        """Lives that ended, and nobody had killed them."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    async def start(self, name: str) -> None:
        """Start a worker, again where it was killed; return once it takes requests."""
        self._lives[name] = self._lives.get(name, 0) + 1
        port = free_port()
        process = running(
            [program("carteiro"), "up"],
            {**self._settings, "CARTEIRO_HTTP_PORT": str(port)},
            self._logs / f"{self.life(name)}.log",
        )
        self._processes[name] = self._stack.enter_context(process)
        await ready(self._processes[name], port)

    def life(self, name: str) -> str:
        """Which process the worker is by now."""
        return f"{name} {self._lives[name]}"

    def kill(self, name: str) -> None:
        """`kill -9`; returns once the process is gone."""
        process = self._processes.pop(name).process
        process.kill()
        process.wait()

    def pause(self, name: str) -> None:
        self._processes[name].process.send_signal(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        self._processes[name].process.send_signal(signal.SIGCONT)

    def look(self, at: float) -> list[Seen]:
        """The processes at this moment."""
        seen = []
        for name, process in list(self._processes.items()):
            if process.ended:
                self.ended.append(self.life(name))
                del self._processes[name]
                continue
            usage = psutil.Process(process.process.pid)
            with usage.oneshot():
                times = usage.cpu_times()
                seen.append(
                    Seen(
                        at=at,
                        life=self.life(name),
                        mib=usage.memory_info().rss / 2**20,
                        handles=usage.num_fds(),
                        threads=usage.num_threads(),
                        cpu_seconds=times.user + times.system,
                    )
                )
        return seen
