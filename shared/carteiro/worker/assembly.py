"""From a worker's settings to its parts."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from carteiro.models.failures import ModelUnusable
from carteiro.models.interface import Model, refusal
from carteiro.models.opening import open_model
from carteiro.models.prices import load_prices
from carteiro.models.settings import ModelSettings
from carteiro.worker.asking.spending import Caps, Spending
from carteiro.worker.remembering.caching import Cache
from carteiro.worker.settings import SettingsInvalid, WorkerSettings, task_models
from carteiro.worker.task import Task

_WITH_BATCHES = ("openai", "azure", "google")
_CLAIM_SECONDS = 60.0
"""A worker that dies while it fetches a reply holds those up that want the same for so long."""


def open_models(
    tasks: Sequence[Task[Any, Any]], settings: WorkerSettings, model_settings: ModelSettings
) -> dict[str, list[Model]]:
    """Each task's models, not yet loaded, in the order in which they are asked. Raises `ModelUnusable`."""
    opened: dict[str, Model] = {}
    models: dict[str, list[Model]] = {}
    for task in tasks:
        names = task_models(task.name, settings, task.default_model)
        for name in names:
            # Tasks that name the same model share it: its weights are loaded once.
            opened.setdefault(name, open_model(name, model_settings))
        models[task.name] = [_able(task, opened[name]) for name in names]
    return models


def may_have_batches(task: Task[Any, Any], settings: WorkerSettings) -> bool:
    """Whether a task's first model is of a kind that may have batches. It is not opened for that."""
    return task_models(task.name, settings, task.default_model)[0].partition(":")[0] in _WITH_BATCHES


def cache(settings: WorkerSettings) -> Cache:
    """Where replies are kept for equal requests. Raises `SettingsInvalid`."""
    if settings.cache_url is None:
        return Cache(settings.cache_seconds)
    try:
        from carteiro.worker.remembering.redis_shelf import RedisShelf

        url = settings.cache_url.get_secret_value()
        return Cache(settings.cache_seconds, RedisShelf(url, settings.cache_seconds, _CLAIM_SECONDS))
    except ModuleNotFoundError:
        raise SettingsInvalid("CARTEIRO_CACHE_URL: needs pip install 'carteiro[redis]'") from None
    except ValueError:  # its message may quote the password
        raise SettingsInvalid(
            "CARTEIRO_CACHE_URL: write redis://HOST:PORT, rediss://HOST:PORT or unix://PATH"
        ) from None


def spending(settings: WorkerSettings, models: Iterable[str], changed: Callable[[], None]) -> Spending:
    """Prices and caps. Raises `ModelUnusable` where there is a cap, but one of the models has no price."""
    caps = Caps(
        per_request=settings.spend_per_request_usd,
        per_key=settings.spend_per_key_usd,
        per_day=settings.spend_per_day_usd,
        parks=settings.spend_then == "park",
    )
    prices = load_prices(settings.prices)
    if caps.any and (unknown := [model for model in models if prices.of(model) is None]):
        raise ModelUnusable(
            f"a spending cap needs the price of {unknown[0]}: add it to a file that CARTEIRO_PRICES names"
        )
    return Spending(prices, caps, changed)


def _able(task: Task[Any, Any], model: Model) -> Model:
    if not isinstance(model, task.abilities):
        raise ModelUnusable(refusal(model, task.name, task.abilities))
    return model
