"""The workers as applications that are set up from the environment."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from carteiro.enrichment.enrichment_file import EnrichmentFile, EnrichmentFileInvalid
from carteiro.extras import ExtraMissing
from carteiro.index.collection_source import CollectionFileInvalid
from carteiro.models.errors import ModelUnusable
from carteiro.models.settings import ModelSettings
from carteiro.registry.connection import open_configured_registry
from carteiro.registry.settings import RegistrySettingsInvalid
from carteiro.settings.environment import SettingsInvalid, load_settings
from carteiro.settings.tools_file import ToolsFileInvalid
from carteiro.settings.variable_names import find_unknown_variables
from carteiro.settings.worker import WorkerSettings
from carteiro.tasks.task import Task
from carteiro.worker.batch_api.deferral_policy import supports_batches
from carteiro.worker.composition.collections import check_waits, index_chain, open_index, open_index_model
from carteiro.worker.composition.enrichments import load_enrichments, open_step_models, tasks_of
from carteiro.worker.composition.factories import may_have_batches, open_models
from carteiro.worker.exit_codes import EXIT_MODEL, EXIT_SETTINGS, exit_with
from carteiro.worker.observability.logs import configure_logs
from carteiro.worker.observability.tracing import configure_tracing
from carteiro.worker.worker import Worker

log = structlog.get_logger("carteiro.worker")

_BATCH_NICENESS = 19
"""Added to the niceness of the batch service: it has what live workers leave, whose callers wait for seconds, not for
hours, and a hundredth of a processor that is busy all the time. Linux's idle policy would leave it a three-hundredth:
too little to keep its place in the group."""
_FILE_VARIABLES: dict[type[Exception], str] = {
    CollectionFileInvalid: "CARTEIRO_COLLECTIONS",
    EnrichmentFileInvalid: "CARTEIRO_ENRICHMENTS",
    ToolsFileInvalid: "CARTEIRO_TOOLS",
}


def worker(*tasks: Task[Any, Any], batch: bool = False, collections: bool = False) -> Worker:
    """Return the worker of these tasks, or with `batch` of their deferred requests.

    With `collections` it also fills the collections that `CARTEIRO_COLLECTIONS` names, if there are any.

    Raise `SystemExit`, with a line on stderr, if a setting is wrong or a model cannot be used.
    """
    with _exit_on_error():
        settings, model_settings = _load_settings()
        if batch:
            tasks = tuple(task for task in tasks if may_have_batches(task, settings))
        index = open_index(settings, model_settings) if collections else None
        models = open_models(tasks, settings, model_settings, index_chain(settings) if index else None)
        check_waits(index, models)
        tasks = tuple(task for task in tasks if task.name in models)
        if batch:
            tasks = tuple(task for task in tasks if supports_batches(models[task.name][0]))
            models = {task.name: models[task.name] for task in tasks}
            if not tasks:
                raise ModelUnusable("no task has a model with batches, as openai:, azure: and google: with a key have")
            os.nice(_BATCH_NICENESS)
        name = "batch" if batch else tasks[0].name if len(tasks) == 1 else None
        configure_tracing(f"carteiro-{name}" if name else "carteiro")
        return Worker(list(tasks), models, settings, batch=batch, index=index, registry=open_configured_registry())


def enrichment_worker(*files: EnrichmentFile) -> Worker:
    """Return the worker of these enrichments, or of those that `CARTEIRO_ENRICHMENTS` names.

    Raise `SystemExit`, with a line on stderr, if a setting or a file is wrong or a model cannot be used.
    """
    with _exit_on_error():
        settings, model_settings = _load_settings()
        enrichments = files or load_enrichments(settings.enrichments)
        tasks = tasks_of(enrichments)
        models = open_step_models(enrichments, tasks, settings, model_settings)
        configure_tracing("carteiro-enrich")
        registry = open_configured_registry()
        return Worker(list(tasks.values()), models, settings, enrichments=enrichments, registry=registry)


def index_worker() -> Worker:
    """Return the worker of the collections that `CARTEIRO_COLLECTIONS` names.

    Raise `SystemExit`, with a line on stderr, if a setting or a file is wrong or the model cannot be used.
    """
    with _exit_on_error():
        settings, model_settings = _load_settings()
        index = open_index(settings, model_settings)
        if index is None:
            raise SettingsInvalid("CARTEIRO_COLLECTIONS: name a collection, or several with commas between")
        models = open_index_model(settings, model_settings)
        check_waits(index, models)
        configure_tracing("carteiro-index")
        return Worker([], models, settings, index=index, registry=open_configured_registry())


def _load_settings() -> tuple[WorkerSettings, ModelSettings]:
    settings, model_settings = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    for line in find_unknown_variables(os.environ):
        log.warning("unknown setting", reason=line)
    return settings, model_settings


@contextmanager
def _exit_on_error() -> Iterator[None]:
    try:
        yield
    except (SettingsInvalid, RegistrySettingsInvalid, ExtraMissing) as error:
        exit_with(EXIT_SETTINGS, str(error))
    except tuple(_FILE_VARIABLES) as error:
        variable = _FILE_VARIABLES[type(error)]
        exit_with(EXIT_SETTINGS, "\n".join(f"{variable}: {line}" for line in str(error).splitlines()))
    except ModelUnusable as error:
        # The message begins with the variable unless that is CARTEIRO_MODEL.
        exit_with(EXIT_MODEL, f"{error}" if str(error).startswith("CARTEIRO_") else f"CARTEIRO_MODEL: {error}")
