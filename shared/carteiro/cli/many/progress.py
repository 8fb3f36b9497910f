"""Showing how far a job is: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from carteiro.cli.many.job import Job

_LINE_SECONDS = 30.0


@contextmanager
def watched(job: Job) -> Iterator[Callable[[], None]]:
    """What is given shows where the job stands, whenever it is called."""
    if not sys.stderr.isatty():
        yield _lines(job)
        return
    columns = (BarColumn(20), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(standing(job), total=job.states.total)

        def show() -> None:
            bar.update(task, completed=job.states.answered, description=standing(job))

        yield show


def standing(job: Job) -> str:
    """Where the job stands, in words."""
    states, failed = job.states, job.tally.failed
    return f"{states.sent} sent, {states.answered} of {states.total} answered, {failed} failed"


def tell(line: str) -> None:
    """A line to the person who watches."""
    print(f"carteiro: {line}", file=sys.stderr, flush=True)


def _lines(job: Job) -> Callable[[], None]:
    told, at = standing(job), time.monotonic()

    def show() -> None:
        nonlocal told, at
        # A job that waits for a day would fill a log with one and the same line.
        if time.monotonic() - at >= _LINE_SECONDS and (now := standing(job)) != told:
            tell(now)
            told, at = now, time.monotonic()

    return show
