"""The discovery of services: every folder of `services` that contains a task."""

import importlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from carteiro.tasks.task import Task


class ServicesMissing(Exception):
    """The package `services` cannot be found."""


def task_names() -> list[str]:
    """Return the sorted names of the tasks without importing their services.

    Raise `ServicesMissing` if there is no package `services`.
    """
    package = importlib.util.find_spec("services")
    if package is None or not package.submodule_search_locations:
        raise ServicesMissing("the package `services` is not here: run this in Carteiro's folder")
    folders = [Path(folder) for folder in package.submodule_search_locations]
    return sorted(task.parent.name for folder in folders for task in folder.glob("*/task.py"))


def find_task(name: str) -> "Task[Any, Any]":
    """Return the task of this name, which is one of `task_names()`."""
    task: Task[Any, Any] = importlib.import_module(f"services.{name}.task").task
    return task


def find_tasks() -> "list[Task[Any, Any]]":
    """Return the task of each service, sorted by name. Raise `ServicesMissing` if there is no package `services`."""
    return [find_task(name) for name in task_names()]
