"""How many threads an engine may compute with."""

import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def threads(wanted: int | None = None, cgroup: Path = _CGROUP) -> int:
    """As many as are wanted, or as `OMP_NUM_THREADS` says; else the cores that this process may use, less the one that
    serves requests.

    Threads that wait for each other by spinning are many times slower where one of them has to wait for a core, so one
    too few costs little and one too many costs nearly everything.
    """
    if wanted is not None:
        return wanted
    told = os.environ.get("OMP_NUM_THREADS", "")
    return int(told) if told.isdigit() and int(told) > 0 else max(1, cores(cgroup) - 1)


def cores(cgroup: Path = _CGROUP) -> int:
    """The cores of this process: of the machine, and of its container's quota (cgroup version 2)."""
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
        return own if quota == "max" else max(1, min(own, int(quota) // int(period)))
    except (OSError, ValueError):
        return own
