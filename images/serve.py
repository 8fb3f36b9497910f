"""What an image runs: a worker of the tasks that `TASK` names, separated by commas; of all where it names none. With
`waiting` it is the worker of what they have set aside.

Ends with a worker's exit codes (docs/settings.md), and with 2 where `TASK` names a task that is not there.
"""

import asyncio
import os
import signal
import sys

from carteiro.worker.services import find_tasks


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    # The first process of a container gets no default handlers: until the worker sets its own, nobody would listen.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    tasks = {task.name: task for task in find_tasks()}
    names = [name.strip() for name in os.environ.get("TASK", "").split(",") if name.strip()] or list(tasks)
    if waiting := names == ["waiting"]:
        names = list(tasks)
    if unknown := [name for name in names if name not in tasks]:
        print(f"carteiro: TASK: there is no task {unknown[0]!r}; there are {', '.join(tasks)}", file=sys.stderr)
        sys.exit(2)
    from carteiro.worker.app import worker

    asyncio.run(worker(*(tasks[name] for name in dict.fromkeys(names)), waiting=waiting).run())


if __name__ == "__main__":
    main()
