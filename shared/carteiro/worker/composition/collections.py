"""The model and the store of a worker of collections."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from carteiro.index.collection_source import CollectionSource, load_collections
from carteiro.models.errors import ModelUnusable
from carteiro.models.interface import Model
from carteiro.models.settings import ModelSettings
from carteiro.retrieval.errors import DocumentStoreInvalid
from carteiro.retrieval.store import DocumentStore
from carteiro.retrieval.stores.factory import create_store
from carteiro.settings.environment import SettingsInvalid
from carteiro.settings.worker import WorkerSettings
from carteiro.tasks.discovery import find_task
from carteiro.tasks.task import Task
from carteiro.worker.batch_api.deferral_policy import supports_batches
from carteiro.worker.composition.factories import create_circuit_breakers, open_chains
from carteiro.worker.model_calls.circuit_breaker import CircuitBreaker
from carteiro.worker.model_calls.fallback import FallbackChain, ModelTarget

log = structlog.get_logger("carteiro.worker")

INDEX_CHAIN = "index"
"""Name of the chain of the model that embeds documents."""


@dataclass(frozen=True, slots=True)
class CollectionIndex:
    """The collections of an index worker, and their store, which is not opened yet."""

    sources: Sequence[CollectionSource]
    store: DocumentStore
    open_model: Callable[[str], Model]
    """Returns the embedding model of a name, not yet loaded. Raises `ModelUnusable`."""


class EarlierModels:
    """Models of collections that are being rebuilt for another model. `on_change` is called as for other models."""

    def __init__(self, open_model: Callable[[str], Model], on_change: Callable[[], None]) -> None:
        self._open_model, self._on_change = open_model, on_change
        self._models: list[Model] = []
        self._breakers: list[CircuitBreaker] = []

    async def open(self, name: str) -> FallbackChain | None:
        """Return a loaded model. Return None, with a line in the log, if it cannot be used."""
        try:
            model = self._open_model(name)
            await model.load()
        except ModelUnusable as error:
            effect = "until a collection is rebuilt, its searches do not see new versions of documents"
            log.warning("an earlier model cannot be used", model=name, reason=str(error), effect=effect)
            return None
        self._models.append(model)
        breakers = create_circuit_breakers([model], self._on_change)
        self._breakers += breakers.values()
        return FallbackChain([ModelTarget(model, breakers.get(model.name))])

    async def close(self) -> None:
        """Close the models."""
        for breaker in self._breakers:
            await breaker.stop_probing()
        for model in self._models:
            await model.close()


def index_chain(settings: WorkerSettings) -> dict[str, tuple[Task[Any, Any], list[str]]]:
    """Return the chain of the model that embeds documents, as in `open_chains`."""
    return {INDEX_CHAIN: (find_task("embed"), [settings.index_model])}


def open_index_model(settings: WorkerSettings, model_settings: ModelSettings) -> dict[str, list[Model]]:
    """Return the model that embeds documents, by `INDEX_CHAIN`, not yet loaded. Raise `ModelUnusable`."""
    return open_chains(index_chain(settings), model_settings, own=[INDEX_CHAIN])


def check_waits(index: CollectionIndex | None, models: Mapping[str, Sequence[Model]]) -> None:
    """Raise `ModelUnusable` if a collection waits for batches, and the model of `INDEX_CHAIN` has none."""
    for source in index.sources if index else ():
        if source.wait and not supports_batches(model := models[INDEX_CHAIN][0]):
            reason = f"wait needs openai: or azure:, whose batches embed documents, and {model.name} has none"
            raise ModelUnusable(f"CARTEIRO_INDEX_MODEL: {source.collection}: {reason}")


def open_index(settings: WorkerSettings, model_settings: ModelSettings) -> CollectionIndex | None:
    """Return the collections in the settings; None if they name no collection.

    Raise `CollectionFileInvalid`, `SettingsInvalid`, or `ExtraMissing`.
    """
    sources = load_collections(settings.collections, settings.topics)
    if not sources:
        return None

    def open_embedder(name: str) -> Model:
        (model,) = open_chains({INDEX_CHAIN: (find_task("embed"), [name])}, model_settings)[INDEX_CHAIN]
        return model

    return CollectionIndex(sources, open_store(settings), open_embedder)


def open_store(settings: WorkerSettings) -> DocumentStore:
    """Return the store of collections, not yet opened. Raise `SettingsInvalid`, or `ExtraMissing`."""
    try:
        return create_store(settings.store_url)
    except DocumentStoreInvalid as error:
        raise SettingsInvalid(f"CARTEIRO_STORE: {error}") from None
