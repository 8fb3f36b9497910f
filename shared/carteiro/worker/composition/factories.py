"""Factories of a worker's parts, from its settings."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import structlog

from carteiro.models.abilities import unsupported_task_message
from carteiro.models.errors import ModelUnusable
from carteiro.models.interface import Model, RemoteModel
from carteiro.models.prices import load_prices
from carteiro.models.registry import find_provider, open_model
from carteiro.models.settings import ModelSettings
from carteiro.settings.environment import SettingsInvalid
from carteiro.settings.worker import WorkerSettings, has_only_default_model, has_own_model, task_models
from carteiro.tasks.task import Task
from carteiro.worker.handling.reply_cache import ReplyCache
from carteiro.worker.model_calls.budget import BudgetLimits, CostBudget
from carteiro.worker.model_calls.circuit_breaker import CircuitBreaker
from carteiro.worker.model_calls.fallback import FallbackChain, ModelTarget
from carteiro.worker.model_calls.service_tier import TierPolicy

log = structlog.get_logger("carteiro.worker")

_LOCK_SECONDS = 60.0
"""Time after which a lock in the shared cache expires: a worker that crashes blocks equal requests for that long."""


def open_models(
    tasks: Sequence[Task[Any, Any]],
    settings: WorkerSettings,
    model_settings: ModelSettings,
    more: Mapping[str, tuple[Task[Any, Any], Sequence[str]]] | None = None,
) -> dict[str, list[Model]]:
    """Return the models of each task by its name, not yet loaded, in the order of the fallback chain.

    `more` are other chains, as in `open_chains`. They share models with the tasks.

    A task is left out, with a line in the log, if no setting names its model, its default cannot run here, and the
    worker has other tasks. So an installation without torch serves what a cloud model can do.

    Raise `ModelUnusable` if a model cannot be used, or cannot do the task.
    """
    optional = [task.name for task in tasks if has_only_default_model(task)] if len(tasks) > 1 else []
    chains = {task.name: (task, task_models(task, settings)) for task in tasks} | dict(more or {})
    own = [task.name for task in tasks if has_own_model(task)]
    return open_chains(chains, model_settings, optional, [*own, *(more or {})])


def open_chains(
    chains: Mapping[str, tuple[Task[Any, Any], Sequence[str]]],
    model_settings: ModelSettings,
    optional: Collection[str] = (),
    own: Collection[str] = (),
) -> dict[str, list[Model]]:
    """Return the models of each chain, not yet loaded. `chains` are a task and the names of its models, by any name.

    A chain in `optional` is left out if a model cannot be used. Raise `ModelUnusable` if another chain's model cannot
    be used, or cannot do the task; for a chain in `own`, the message begins with `CARTEIRO_<CHAIN>_MODEL`.
    """
    opened: dict[str, Model] = {}
    models: dict[str, list[Model]] = {}
    for chain, (task, names) in chains.items():
        try:
            for name in names:
                # Chains that name the same model share it: its weights are loaded once.
                if name not in opened:
                    opened[name] = open_model(name, model_settings, task.abilities)
            models[chain] = [_check_model_type(task, opened[name]) for name in names]
        except ModelUnusable as error:
            if chain not in optional:
                variable = f"CARTEIRO_{chain.upper()}_MODEL: " if chain in own else ""
                raise ModelUnusable(f"{variable}{error}") from None
            advice = f"set CARTEIRO_{task.name.upper()}_MODEL, or ignore this"
            log.warning("the task is not served: it has no model", task=task.name, reason=str(error), advice=advice)
    return models


def create_circuit_breakers(models: Iterable[Model], on_change: Callable[[], None]) -> dict[str, CircuitBreaker]:
    """Return the circuit breakers of the remote models, by the model's name."""
    return {
        model.name: CircuitBreaker(model, on_change)
        for model in models
        if isinstance(model, RemoteModel) and model.remote
    }


def create_chains(
    chains: Mapping[str, Sequence[Model]],
    circuit_breakers: Mapping[str, CircuitBreaker],
    tiers: TierPolicy | None = None,
) -> dict[str, FallbackChain]:
    """Return the fallback chains of `open_chains`, whose models are called through their circuit breakers, under a
    policy for service tiers.
    """
    return {
        name: FallbackChain([ModelTarget(model, circuit_breakers.get(model.name)) for model in models], tiers)
        for name, models in chains.items()
    }


def create_tier_policy(settings: WorkerSettings) -> TierPolicy:
    """Return the policy for the service tiers of cloud models."""
    return TierPolicy(
        allowed=settings.allowed_tiers,
        standard_seconds=ModelSettings().timeout,
        flex_min_deadline=settings.flex_min_deadline_seconds,
        priority_max_deadline=settings.priority_max_deadline_seconds,
    )


def may_have_batches(task: Task[Any, Any], settings: WorkerSettings) -> bool:
    """Return True if the provider of a task's first model may have a batch API. The model is not opened."""
    provider = find_provider(task_models(task, settings)[0])
    return provider is not None and provider.has_batches


def create_cache(settings: WorkerSettings) -> ReplyCache:
    """Return the cache of replies. Raise `SettingsInvalid` if its URL is wrong or the Redis client is not installed."""
    if settings.cache_url is None:
        return ReplyCache(settings.cache_seconds)
    try:
        from carteiro.worker.handling.redis_cache import RedisCache

        url = settings.cache_url.get_secret_value()
        return ReplyCache(settings.cache_seconds, RedisCache(url, settings.cache_seconds, _LOCK_SECONDS))
    except ModuleNotFoundError:
        raise SettingsInvalid("CARTEIRO_CACHE_URL: needs pip install 'carteiro[redis]'") from None
    except ValueError:  # its message may quote the password
        raise SettingsInvalid(
            "CARTEIRO_CACHE_URL: write redis://HOST:PORT, rediss://HOST:PORT or unix://PATH"
        ) from None


def create_budget(settings: WorkerSettings, models: Iterable[str], on_change: Callable[[], None]) -> CostBudget:
    """Return the budget. Raise `ModelUnusable` if there is a spending cap but a model has no price."""
    limits = BudgetLimits(
        per_request=settings.spend_per_request_usd,
        per_key=settings.spend_per_key_usd,
        per_day=settings.spend_per_day_usd,
        pauses=settings.budget_action == "pause",
    )
    prices = load_prices(settings.prices)
    if limits.has_limit and (unpriced := [model for model in models if prices.price_of(model) is None]):
        raise ModelUnusable(
            f"a spending cap needs the price of {unpriced[0]}: add it to a file that CARTEIRO_PRICES names"
        )
    return CostBudget(prices, limits, on_change)


def _check_model_type(task: Task[Any, Any], model: Model) -> Model:
    if not isinstance(model, task.abilities):
        raise ModelUnusable(unsupported_task_message(model, task.name, task.abilities))
    return model
