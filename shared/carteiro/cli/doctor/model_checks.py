"""Checks of the models for a worker: there is a credential, the model answers, the quota is not used up."""

import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from carteiro.cli.doctor.finding import Finding
from carteiro.models.abilities import unsupported_task_message
from carteiro.models.errors import Misconfigured, ModelError, ModelUnusable, QuotaExhausted, RateLimited
from carteiro.models.interface import Model, RemoteModel
from carteiro.models.probe import probe
from carteiro.models.registry import open_model, open_rerank_model
from carteiro.models.settings import ModelSettings
from carteiro.settings.worker import WorkerSettings, has_only_default_model, task_models
from carteiro.tasks.task import Task
from carteiro.worker.composition.factories import create_budget

_PROBE_TOKENS = 16


async def check_models(
    tasks: Sequence[Task[Any, Any]], settings: WorkerSettings, model_settings: ModelSettings, *, ask: bool
) -> AsyncIterator[Finding]:
    """Yield one finding for each model that the tasks name. With `ask`, send a test prompt to the cloud models."""
    named: dict[str, list[Task[Any, Any]]] = {}
    for task in tasks:
        for name in task_models(task, settings):
            named.setdefault(name, []).append(task)
    for name, served in named.items():
        try:
            model = open_model(name, model_settings, served[0].abilities)
            for task in served:
                if not isinstance(model, task.abilities):
                    raise ModelUnusable(unsupported_task_message(model, task.name, task.abilities))
            yield await _probe_model(model) if ask and model.remote else _report_unprobed(model)
        except ModelUnusable as error:
            reason = str(error).removeprefix(f"{name} ")
            names = ", ".join(task.name for task in served)
            if len(tasks) > len(served) and all(map(has_only_default_model, served)):
                advice = f"a worker of all tasks leaves {names} out: set CARTEIRO_{served[0].name.upper()}_MODEL"
                yield Finding(f"model {name}", "warning", reason, advice)
            else:
                yield Finding(f"model {name}", "fault", reason, f"see docs/start/models.md; it is to serve {names}")


def check_rerank_model(settings: WorkerSettings, model_settings: ModelSettings) -> Finding | None:
    """Return a finding on the rerank model; None if the settings name none."""
    if settings.rerank_model is None:
        return None
    try:
        model = open_rerank_model(settings.rerank_model, model_settings)
    except ModelUnusable as error:
        return Finding("rerank model", "fault", str(error), "see docs/use/collections.md")
    return Finding(f"rerank model {model.name}", "ok", "its files are there; they are not read here")


def check_budget(tasks: Sequence[Task[Any, Any]], settings: WorkerSettings) -> Finding | None:
    """Return a finding on the prices: they can be read, and each model has one if a budget needs it. None without
    either.
    """
    caps = (settings.spend_per_request_usd, settings.spend_per_key_usd, settings.spend_per_day_usd)
    if settings.prices is None and all(cap is None for cap in caps):
        return None
    models = {name for task in tasks for name in task_models(task, settings)}
    try:
        create_budget(settings, sorted(models), lambda: None)
    except ModelUnusable as error:
        return Finding("spending", "fault", str(error), "see docs/run/spending.md; no worker starts before")
    return Finding("spending", "ok", "the prices that the caps need are known")


def _report_unprobed(model: Model) -> Finding:
    kind = "not asked" if model.remote else "its files are there; they are not read here"
    return Finding(f"model {model.name}", "ok", kind)


async def _probe_model(model: Model) -> Finding:
    what, began = f"model {model.name}", time.monotonic()
    assert isinstance(model, RemoteModel)

    def describe(failure: ModelError) -> str:
        return failure.message.removeprefix(f"{model.name} ")

    try:
        await model.load()
        await probe(model, _PROBE_TOKENS)
    except QuotaExhausted as failure:
        return Finding(
            what, "fault", describe(failure), "what was paid for is used up: see the provider's billing page"
        )
    except RateLimited as failure:
        advice = "workers slow down by themselves; a higher limit, or a second model, makes them faster"
        return Finding(what, "warning", describe(failure), advice)
    except Misconfigured as failure:
        return Finding(
            what, "fault", describe(failure), "set the key, the model's name or the address: docs/start/models.md"
        )
    except ModelError as failure:
        return Finding(what, "warning", describe(failure), "workers wait for it, and go on by themselves")
    finally:
        await model.close()
    return Finding(what, "ok", f"answered within {time.monotonic() - began:.1f} s")
