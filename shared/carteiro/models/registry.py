"""The table of providers and engines, and the way from a model's name to the model."""

import importlib
import pkgutil
from collections.abc import Collection
from functools import cache

from carteiro.models import providers
from carteiro.models.abilities import ABILITY_DESCRIPTIONS
from carteiro.models.errors import ModelUnusable
from carteiro.models.interface import ChatModel, EmbeddingModel, Model, RerankModel
from carteiro.models.provider import Provider
from carteiro.models.settings import ModelSettings


@cache
def load_providers() -> dict[str, Provider]:
    """Return the providers and engines by scheme: the `PROVIDER` or `PROVIDERS` of each module in
    `carteiro.models.providers`.
    """
    names = (f"{providers.__name__}.{each.name}" for each in pkgutil.iter_modules(providers.__path__))
    modules = [importlib.import_module(name) for name in names]
    found: list[Provider] = [
        each for module in modules for each in (getattr(module, "PROVIDERS", None) or (module.PROVIDER,))
    ]
    return {scheme: provider for provider in found for scheme in (provider.scheme, *provider.aliases)}


def find_provider(name: str) -> Provider | None:
    """Return the provider or engine that a model's name begins with; None if no provider has that name."""
    return load_providers().get(name.partition(":")[0])


def open_model(name: str, settings: ModelSettings, abilities: Collection[type] = ()) -> Model:
    """Return the model for `name`, not yet loaded.

    `abilities` are those of which its task needs one: a provider's name does not say if the model chats or embeds.
    Raise `ModelUnusable` if the name is unknown.
    """
    provider, (_, colon, rest) = find_provider(name), name.partition(":")
    if provider is None or not (rest or (colon and provider.has_default)):
        forms = ", ".join(sorted({each.form for each in load_providers().values()}))
        raise ModelUnusable(f"{name!r} is no model; known are {forms}")
    embeds = EmbeddingModel in abilities and ChatModel not in abilities
    return ((embeds and provider.open_embedder) or provider.open)(name, rest, settings)


def open_rerank_model(name: str, settings: ModelSettings) -> RerankModel:
    """Return the model of `CARTEIRO_RERANK_MODEL`, not yet loaded. Raise `ModelUnusable` if it cannot rerank."""
    try:
        model = open_model(name, settings)
    except ModelUnusable as error:
        raise ModelUnusable(f"CARTEIRO_RERANK_MODEL: {error}") from None
    if not isinstance(model, RerankModel):
        needed = ABILITY_DESCRIPTIONS[RerankModel]
        raise ModelUnusable(f"CARTEIRO_RERANK_MODEL: {name} cannot compare a question and a passage, as {needed} does")
    return model
