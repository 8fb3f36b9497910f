"""The model and the store of a worker of collections."""

from collections.abc import Sequence
from dataclasses import dataclass

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
from carteiro.worker.composition.factories import open_chains

INDEX_CHAIN = "index"
"""Name of the chain of the model that embeds documents."""


@dataclass(frozen=True, slots=True)
class CollectionIndex:
    """The collections of an index worker, and their store, which is not opened yet."""

    sources: Sequence[CollectionSource]
    store: DocumentStore


def open_index_model(settings: WorkerSettings, model_settings: ModelSettings) -> dict[str, list[Model]]:
    """Return the model that embeds documents, by `INDEX_CHAIN`, not yet loaded. Raise `ModelUnusable`."""
    try:
        return open_chains({INDEX_CHAIN: (find_task("embed"), [settings.index_model])}, model_settings)
    except ModelUnusable as error:
        raise ModelUnusable(f"CARTEIRO_INDEX_MODEL: {error}") from None


def open_index(settings: WorkerSettings) -> CollectionIndex | None:
    """Return the collections in the settings; None if they name no collection.

    Raise `CollectionFileInvalid`, `SettingsInvalid`, or `ExtraMissing`.
    """
    sources = load_collections(settings.collections, settings.topics)
    return CollectionIndex(sources, open_store(settings)) if sources else None


def open_store(settings: WorkerSettings) -> DocumentStore:
    """Return the store of collections, not yet opened. Raise `SettingsInvalid`, or `ExtraMissing`."""
    try:
        return create_store(settings.store_url)
    except DocumentStoreInvalid as error:
        raise SettingsInvalid(f"CARTEIRO_STORE: {error}") from None
