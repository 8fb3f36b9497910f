"""How many threads an engine may compute with."""

import os
from pathlib import Path

from carteiro.models.cores import CGROUP, usable_cores


def threads(wanted: int | None = None, cgroup: Path = CGROUP) -> int:
    """As many as are wanted, or as `OMP_NUM_THREADS` says; else the cores that this process may use, less the one that
    serves requests.

    Threads that wait for each other by spinning are many times slower where one of them has to wait for a core, so one
    too few costs little and one too many costs nearly everything.
    """
    if wanted is not None:
        return wanted
    told = os.environ.get("OMP_NUM_THREADS", "")
    return int(told) if told.isdigit() and int(told) > 0 else max(1, cores(cgroup) - 1)


def cores(cgroup: Path = CGROUP) -> int:
    """The whole cores of this process, at least one."""
    return max(1, int(usable_cores(cgroup)))
