"""`carteiro worker`: the worker of some tasks, or of all, as the images run it."""

import asyncio
import importlib.util
import os
import signal
import sys
from typing import Annotated

import typer

from carteiro.cli.completion import task_names
from carteiro.cli.exit_codes import EXIT_USAGE, exit_with

_BATCH = "batch"
_ENRICH = "enrich"
_INDEX = "index"
_EXIT_MODEL = 3
_NO_MODEL = (
    "no model: this installation has none of its own. Set OPENAI_API_KEY, or CARTEIRO_MODEL "
    "(docs/start/models.md), and start again"
)


def worker(
    tasks: Annotated[
        list[str] | None,
        typer.Argument(
            help="The tasks; by default those of TASK, separated by commas, else all. `batch` is the batch service, "
            "`enrich` that of the enrichments in CARTEIRO_ENRICHMENTS, `index` that of CARTEIRO_COLLECTIONS.",
            autocompletion=task_names,
        ),
    ] = None,
    wait_if_refused: Annotated[
        bool,
        typer.Option(
            "--wait-if-refused",
            envvar="WAIT_IF_REFUSED",
            help="Wait for a signal instead of exiting with 2 or 3, if the settings are rejected.",
        ),
    ] = False,
) -> None:
    """Run the worker of some tasks, or of all.

    The settings and the exit codes are in docs/run/settings.md.

    carteiro worker chat summarize
    TASK=batch carteiro worker
    """
    exit_on_signal()
    try:
        run_worker(tasks or [name.strip() for name in os.environ.get("TASK", "").split(",") if name.strip()])
    except SystemExit as left:
        if left.code not in (EXIT_USAGE, _EXIT_MODEL) or not wait_if_refused:
            raise
        # Docker would start the container again and again, although nothing changes until a setting is changed.
        exit_on_signal()
        while True:
            signal.pause()


def exit_on_signal() -> None:
    """Exit with 0 on SIGTERM and SIGINT, until the server sets its own handlers."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))


def run_worker(names: list[str]) -> None:
    """Run the worker of the named tasks; of all if `names` is empty. Raise `SystemExit` if it is rejected."""
    if names == [_ENRICH]:
        from carteiro.worker.app import enrichment_worker

        asyncio.run(enrichment_worker().run())
        return
    if names == [_INDEX]:
        from carteiro.worker.app import index_worker

        asyncio.run(index_worker().run())
        return
    from carteiro.tasks.discovery import find_tasks

    tasks = {task.name: task for task in find_tasks()}
    if batch := names == [_BATCH]:
        names = []
    names = names or list(tasks)
    if unknown := [name for name in names if name not in tasks]:
        if unknown[0] in (_BATCH, _ENRICH, _INDEX):
            exit_with(f"TASK: {unknown[0]} is a service of its own: run it without other tasks", EXIT_USAGE)
        exit_with(f"TASK: there is no task {unknown[0]!r}; there are {', '.join(tasks)}", EXIT_USAGE)
    if not batch and _has_no_model(names):
        exit_with(_NO_MODEL, _EXIT_MODEL)
    from carteiro.worker.app import worker as create_worker

    asyncio.run(create_worker(*(tasks[name] for name in dict.fromkeys(names)), batch=batch).run())


def _has_no_model(names: list[str]) -> bool:
    """Return True if no model is set for one of the tasks, and the packaged ones cannot run here."""
    if os.environ.get("CARTEIRO_MODEL") or importlib.util.find_spec("torch"):
        return False
    return not all(os.environ.get(f"CARTEIRO_{name.upper()}_MODEL") for name in names)
