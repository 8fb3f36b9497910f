"""How much of the machine's processors this process has."""

import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def usable_cores(cgroup: Path = CGROUP) -> float:
    """Those it is bound to, or as much as its container's quota (cgroup version 2) gives, where that is less."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
        return bound if quota == "max" else min(bound, int(quota) / int(period))
    except (OSError, ValueError):
        return bound


def engine_threads(wanted: int | None = None, cgroup: Path = CGROUP) -> int:
    """How many threads an engine may compute with: as many as are wanted, or as `OMP_NUM_THREADS` says; else the whole
    cores that this process may use, less the one that serves requests.

    Threads that wait for each other by spinning are many times slower where one of them has to wait for a core, so one
    too few costs little and one too many costs nearly everything.
    """
    if wanted is not None:
        return wanted
    told = os.environ.get("OMP_NUM_THREADS", "")
    return int(told) if told.isdigit() and int(told) > 0 else max(1, int(usable_cores(cgroup)) - 1)
