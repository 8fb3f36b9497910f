"""The files, tasks and models of a worker of enrichments."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from carteiro.enrichment.enrichment_file import (
    EnrichmentFile,
    EnrichmentFileInvalid,
    EnrichmentStep,
    load_enrichment_files,
)
from carteiro.models.errors import ModelUnusable
from carteiro.models.interface import Model
from carteiro.models.settings import ModelSettings
from carteiro.settings.environment import SettingsInvalid
from carteiro.settings.worker import WorkerSettings, task_models
from carteiro.tasks.discovery import find_tasks
from carteiro.tasks.task import Task
from carteiro.worker.batch_api.deferral_policy import supports_batches
from carteiro.worker.composition.factories import open_chains


def load_enrichments(paths: str | None) -> list[EnrichmentFile]:
    """Return the enrichments of the files that `paths` names, with commas between them.

    Raise `EnrichmentFileInvalid`, and `SettingsInvalid` if there is no file.
    """
    named = [Path(path.strip()) for path in (paths or "").split(",") if path.strip()]
    if not named:
        raise SettingsInvalid("CARTEIRO_ENRICHMENTS: name the file of an enrichment, or several with commas between")
    return load_enrichment_files(named)


def tasks_of(files: Sequence[EnrichmentFile]) -> dict[str, Task[Any, Any]]:
    """Return the tasks that the steps of the files use, by their names.

    Raise `EnrichmentFileInvalid` if there is no such task, or if a step names fields that its task does not have.
    """
    tasks = {task.name: task for task in find_tasks()}
    for file in files:
        for number, step in enumerate(file.steps):
            if step.task not in tasks:
                path, known = f"{file.name}: steps.{number}.task", ", ".join(tasks)
                raise EnrichmentFileInvalid(f"{path}: there is no task {step.task!r}; there are {known}")
            _check_fields(f"{file.name}: steps.{number}", step, tasks[step.task])
    used = {step.task for file in files for step in file.steps}
    return {name: task for name, task in tasks.items() if name in used}


def _check_fields(path: str, step: EnrichmentStep, task: Task[Any, Any]) -> None:
    """Raise `EnrichmentFileInvalid` if the step sends or takes a field that the task does not have."""
    sent = step.request.tree["children"] if step.request.tree["type"] == "multi_select_dict" else ()
    taken = [path[0] for path in step.take.reads if path]
    for part, names, fields in (
        ("request", [each["value"] for each in sent], task.request.model_fields),
        ("take", sorted(taken), task.request.result.model_fields),
    ):
        if unknown := [name for name in names if name not in fields]:
            whose = f"the {'result' if part == 'take' else 'request'} of {task.name}"
            reason = f"{whose} has no field {unknown[0]!r}; it has {', '.join(fields)}"
            raise EnrichmentFileInvalid(f"{path}.{part}: {reason}")


def open_step_models(
    files: Sequence[EnrichmentFile],
    tasks: Mapping[str, Task[Any, Any]],
    settings: WorkerSettings,
    model_settings: ModelSettings,
) -> dict[str, list[Model]]:
    """Return the models of each step by `EnrichmentStep.chain_name`, not yet loaded. Raise `ModelUnusable`."""
    chains = {}
    for step in [step for file in files for step in file.steps]:
        task = tasks[step.task]
        names = [name.strip() for name in (step.model or "").split(",") if name.strip()]
        chains[step.chain_name] = task, names or task_models(task, settings)
    models = open_chains(chains, model_settings)
    for file in files:
        for step in file.steps if file.wait else ():
            if not supports_batches(model := models[step.chain_name][0]):
                raise ModelUnusable(f"{file.name}: wait needs a model with batches, and {model.name} has none")
    return models
