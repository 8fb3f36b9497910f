"""Worker processes of all services, which can be killed, paused and sampled."""

import signal
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import psutil

from benchmarks.process import RunningProcess, program_path, run_process, wait_until_ready
from benchmarks.soak.record import ProcessSample
from tests.containers.conftest import free_port


class WorkerFleet:
    """One `carteiro up` for each name. The folder gets one log file for each process."""

    def __init__(self, settings: Mapping[str, str], logs: Path) -> None:
        self._settings, self._logs = settings, logs
        self._stack = ExitStack()
        self._lives: dict[str, int] = {}
        self._processes: dict[str, RunningProcess] = {}
        self.ended: list[str] = []
        """Processes that ended without being killed."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    async def start(self, name: str) -> None:
        """Start a worker, or start it again after a kill. Return once it accepts requests."""
        self._lives[name] = self._lives.get(name, 0) + 1
        port = free_port()
        process = run_process(
            [program_path("carteiro"), "up"],
            {**self._settings, "CARTEIRO_HTTP_PORT": str(port)},
            self._logs / f"{self.life(name)}.log",
        )
        self._processes[name] = self._stack.enter_context(process)
        await wait_until_ready(self._processes[name], port)

    def life(self, name: str) -> str:
        """Return the name of the worker's current process."""
        return f"{name} {self._lives[name]}"

    def kill(self, name: str) -> None:
        """Send `kill -9`. Return once the process is gone."""
        process = self._processes.pop(name).process
        process.kill()
        process.wait()

    def pause(self, name: str) -> None:
        self._processes[name].process.send_signal(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        self._processes[name].process.send_signal(signal.SIGCONT)

    def sample(self, at: float) -> list[ProcessSample]:
        """Return a sample of each process."""
        seen = []
        for name, process in list(self._processes.items()):
            if process.has_exited:
                self.ended.append(self.life(name))
                del self._processes[name]
                continue
            usage = psutil.Process(process.process.pid)
            with usage.oneshot():
                times = usage.cpu_times()
                seen.append(
                    ProcessSample(
                        at=at,
                        life=self.life(name),
                        mib=usage.memory_info().rss / 2**20,
                        handles=usage.num_fds(),
                        threads=usage.num_threads(),
                        cpu_seconds=times.user + times.system,
                    )
                )
        return seen
