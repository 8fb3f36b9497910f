"""Memory of processes over time."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_EVERY = 1.0


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process in MiB (Linux)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


@dataclass(slots=True)
class MemorySampler:
    """Samples of processes by their names: seconds since the start, and MiB."""

    pids: Mapping[str, int]
    samples: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    async def watch(self) -> None:
        """Sample until cancelled."""
        began = time.perf_counter()
        while True:
            for name, pid in self.pids.items():
                self.samples.setdefault(name, []).append((time.perf_counter() - began, resident_mib(pid)))
            await asyncio.sleep(_EVERY)

    def max_mib(self, name: str) -> float:
        """Return the largest memory of a process in MiB."""
        return max(mib for _, mib in self.samples[name])
