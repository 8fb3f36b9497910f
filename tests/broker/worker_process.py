"""Workers in processes of their own, started as an operator starts them."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any, Self
from urllib.error import HTTPError, URLError

ROOT = Path(__file__).parents[2]
PARTITIONS_ASSIGNED, PARTITIONS_REVOKED = "taking requests", "giving partitions back"


class WorkerProcess:
    """`faststream run services.app:<task>` with these settings."""

    def __init__(self, task: str, cwd: Path = ROOT, **settings: str) -> None:
        self.http_port = 0
        self._log = tempfile.TemporaryFile()
        self._lines: list[dict[str, Any]] = []
        self._parsed_bytes = 0
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("CARTEIRO_", "OPENAI_"))}
        command = [str(Path(sys.executable).with_name("faststream")), "run", f"services.app:{task}"]
        self.process = subprocess.Popen(
            command, cwd=cwd, env=clean | {"CARTEIRO_HTTP_PORT": "0"} | settings, stdout=self._log, stderr=self._log
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self._log.close()

    @property
    def output(self) -> str:
        return os.pread(self._log.fileno(), 10_000_000, 0).decode()

    @property
    def log(self) -> list[dict[str, Any]]:
        """Return the log lines so far. Lines that were read before are not parsed again: tests look every 20 ms."""
        added = os.pread(self._log.fileno(), 10_000_000, self._parsed_bytes)
        complete = added[: added.rfind(b"\n") + 1]
        self._parsed_bytes += len(complete)
        lines = complete.decode().splitlines()
        self._lines += [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        return self._lines

    def find_log_line(self, event: str) -> dict[str, Any] | None:
        return next((line for line in self.log if line["event"] == event), None)

    @property
    def rebalance_lines(self) -> list[dict[str, Any]]:
        """Return the log lines about assigned and revoked partitions."""
        return [line for line in self.log if line["event"] in (PARTITIONS_ASSIGNED, PARTITIONS_REVOKED)]

    @property
    def partitions(self) -> list[int]:
        """Return the partitions whose requests may be in flight: assigned ones, and ones that are being revoked."""
        lines = self.rebalance_lines
        return lines[-1]["partitions"] if lines else []

    @property
    def warning_lines(self) -> list[dict[str, Any]]:
        """Return the log lines of level warning or above."""
        return [line for line in self.log if line.get("level") in ("warning", "error", "critical")]

    def ready(self) -> bool:
        assert self.process.poll() is None, self.output
        return self.find_log_line("ready") is not None

    def get(self, path: str) -> tuple[int, str]:
        """Return status and body, or status 0 if nothing listens yet."""
        started = self.find_log_line("starting")
        if started is None:
            return 0, ""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{started['http_port']}{path}", timeout=5) as response:
                return response.status, response.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()
        except URLError:
            return 0, ""

    async def has_kept(self, calls: int) -> bool:
        """Return True if so many finished calls of unanswered requests are on the topic of the journal."""
        _, page = await asyncio.to_thread(self.get, "/metrics")
        return (
            re.search(rf'^carteiro_journal_calls_total{{outcome="kept",.*}} {calls}.0$', page, re.MULTILINE) is not None
        )

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send `kill -9`. Return once the process is gone."""
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def has_exited(self) -> bool:
        return self.process.poll() is not None
