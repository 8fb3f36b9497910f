"""Tasks that nobody waits for while they run."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class BackgroundTasks:
    """Set of running tasks. It keeps them alive: the event loop holds only weak references to tasks."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run `work` in a task, and return the task."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def wait(self) -> None:
        """Wait until no task runs. Errors of tasks are not raised."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def cancel(self) -> None:
        """Cancel the running tasks, and wait for their ends. Errors of tasks are not raised.

        Tasks that are started meanwhile are cancelled too.
        """
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
