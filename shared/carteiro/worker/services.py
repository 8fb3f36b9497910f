"""The services that are there: every folder of `services` that has a task."""

import importlib
import importlib.util
import pkgutil
from typing import Any

from carteiro.worker.task import Task


class ServicesMissing(Exception):
    """There is no `services` package to be found."""


def find_tasks() -> list[Task[Any, Any]]:
    """The task of each service, by name. Raises `ServicesMissing`."""
    try:
        package = importlib.import_module("services")
    except ModuleNotFoundError:
        raise ServicesMissing("the package `services` is not here: run this in Carteiro's folder") from None
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__) if module.ispkg)
    tasks = [name for name in names if importlib.util.find_spec(f"services.{name}.task")]
    return [importlib.import_module(f"services.{name}.task").task for name in tasks]
