"""The number of processor cores that this process may use."""

import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def usable_cores(cgroup: Path = CGROUP) -> float:
    """Return the cores that this process is bound to, or its container's quota (cgroup version 2) if that is lower."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
        return bound if quota == "max" else min(bound, int(quota) / int(period))
    except (OSError, ValueError):
        return bound


def engine_threads(requested: int | None = None, cgroup: Path = CGROUP) -> int:
    """Return the number of compute threads of an engine.

    It is `requested`, or `OMP_NUM_THREADS`, or the whole cores that this process may use, minus one core for serving
    requests. Threads that spin while they wait are many times slower if one of them has to wait for a core. So one
    thread too few costs little, and one thread too many costs much more.
    """
    if requested is not None:
        return requested
    configured = os.environ.get("OMP_NUM_THREADS", "")
    return int(configured) if configured.isdigit() and int(configured) > 0 else max(1, int(usable_cores(cgroup)) - 1)
