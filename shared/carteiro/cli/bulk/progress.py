"""Progress of a job: a bar on a terminal, and otherwise a line from time to time."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from carteiro.cli.bulk.job import BulkJob

_LINE_SECONDS = 30.0


@contextmanager
def progress_display(job: BulkJob) -> Iterator[Callable[[], None]]:
    """Yield a function that shows the job's progress each time it is called."""
    if not sys.stderr.isatty():
        yield _line_printer(job)
        return
    columns = (BarColumn(20), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(progress_line(job), total=job.states.total)

        def show() -> None:
            bar.update(task, completed=job.states.answered, description=progress_line(job))

        yield show


def progress_line(job: BulkJob) -> str:
    """Return the job's progress as text."""
    states, failed = job.states, job.summary.failed
    return f"{states.sent} sent, {states.answered} of {states.total} answered, {failed} failed"


def print_status(line: str) -> None:
    """Print a status line on standard error."""
    print(f"carteiro: {line}", file=sys.stderr, flush=True)


def _line_printer(job: BulkJob) -> Callable[[], None]:
    last_line, printed_at = progress_line(job), time.monotonic()

    def show() -> None:
        nonlocal last_line, printed_at
        # A job that waits for a day would fill a log with the same line.
        if time.monotonic() - printed_at >= _LINE_SECONDS and (now := progress_line(job)) != last_line:
            print_status(now)
            last_line, printed_at = now, time.monotonic()

    return show
