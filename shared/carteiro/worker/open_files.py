"""The number of files and connections that a worker may have open."""

import contextlib
import sys


def raise_limit_of_open_files() -> None:
    """Raise the limit to what the system permits. Do nothing if there is no such limit.

    The default of many systems, 1,024, is less than the calls in flight of a worker with many partitions: each call has
    a connection.
    """
    if sys.platform == "win32":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS reports no limit, and permits fewer.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
