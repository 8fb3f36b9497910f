"""Outages of the provider: the memory that a worker needs for the first ones is enough for all that follow."""

import asyncio
from pathlib import Path

import pytest

from carteiro.cli.embedded import EmbeddedBroker
from carteiro.client import Carteiro
from tests.broker.conftest import environment
from tests.broker.worker_process import WorkerProcess
from tests.conftest import eventually
from tests.provider import ScriptedProvider

REQUESTS, FIRST, OUTAGES = 300, 2, 4
MAX_GROWTH_MIB = 8.0
"""Memory that each outage once left behind."""


def memory_mib(worker: WorkerProcess) -> float:
    """Return the memory of a process, with its share of what it has in common with others."""
    lines = Path(f"/proc/{worker.process.pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:"))


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_outages_leave_no_memory_behind(broker: EmbeddedBroker):
    async with (
        ScriptedProvider() as provider,
        Carteiro(broker.address, topic_prefix="outages", timeout=120) as carteiro,
    ):
        settings = environment(broker, provider) | {
            "CARTEIRO_TOPIC_PREFIX": "outages",
            "CARTEIRO_MODEL_TIMEOUT_SECONDS": "60",
        }
        with WorkerProcess("generate", **settings) as worker:
            await eventually(worker.ready)
            used = []
            for outage in range(FIRST + OUTAGES):
                await provider.go_offline()
                failed = len(worker.warning_lines)
                asking = [
                    asyncio.create_task(carteiro.generate(f"outage {outage} {number} " + "word " * 200))
                    for number in range(REQUESTS)
                ]
                await eventually(lambda: len(worker.warning_lines) > failed)  # noqa: B023
                await provider.go_online()
                await asyncio.gather(*asking)
                used.append(memory_mib(worker))
            print("MiB after each outage:", *(f"{each:.0f}" for each in used))
            assert used[-1] - used[FIRST - 1] < MAX_GROWTH_MIB, used
