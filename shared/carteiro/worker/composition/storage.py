"""Readers, buckets and stores outside Kafka, from a worker's settings."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from carteiro.extras import needs
from carteiro.models.interface import Model
from carteiro.models.registry import open_rerank_model
from carteiro.models.settings import ModelSettings
from carteiro.references.address import OBJECT_SCHEMES, Address
from carteiro.references.allow_list import parse_allow_list
from carteiro.references.bucket import Bucket, parse_bucket
from carteiro.references.errors import StoreInvalid
from carteiro.settings.environment import SettingsInvalid
from carteiro.settings.worker import WorkerSettings
from carteiro.worker.composition.collections import open_store
from carteiro.worker.handling.library import Library
from carteiro.worker.model_calls.question_models import QuestionModels

if TYPE_CHECKING:
    from carteiro.references.object_stores import ObjectStores
    from carteiro.references.reader import ReferenceReader


def open_references(settings: WorkerSettings) -> "ReferenceReader | None":
    """Return the reader of texts by reference; None if no address is permitted. No store is called.

    Raise `SettingsInvalid`, and `ExtraMissing` if a library is not installed.
    """
    allowed = parse_allow_list(settings.references or "")
    if not allowed.entries:
        return None
    needs("CARTEIRO_REFERENCES", "references", "obstore", "aiohttp")
    from carteiro.references.reader import ReferenceReader

    buckets = [entry for entry in allowed.entries if entry.scheme in OBJECT_SCHEMES]
    return ReferenceReader(allowed, settings.reference_max_bytes, _open_stores("CARTEIRO_REFERENCES", *buckets))


def open_reply_bucket(settings: WorkerSettings) -> Bucket | None:
    """Return the bucket of results that are too large for Kafka; None if there is no such bucket. It is not called.

    Raise `SettingsInvalid`, and `ExtraMissing` if a library is not installed.
    """
    if settings.reply_bucket is None:
        return None
    needs("CARTEIRO_REPLY_BUCKET", "references", "obstore")
    address = parse_bucket(settings.reply_bucket)
    return Bucket(address, _open_stores("CARTEIRO_REPLY_BUCKET", address))


def open_library(settings: WorkerSettings, models: Iterable[Model], on_change: Callable[[], None]) -> Library:
    """Return the collections that requests may name. Nothing is opened or loaded.

    `models` are the worker's own, which embed questions too. `on_change` is called when the circuit of another model
    opens or closes. Raise `SettingsInvalid`, `ExtraMissing`, and `ModelUnusable` for the rerank model.
    """
    # The default store needs a library that most workers never use.
    store = open_store(settings) if settings.names_store else None
    names = [name.strip() for name in (settings.search_collections or "").split(",") if name.strip()]
    model_settings = ModelSettings()
    return Library(
        lambda: store or open_store(settings),
        QuestionModels(model_settings, models, on_change),
        open_rerank_model(settings.rerank_model, model_settings) if settings.rerank_model else None,
        frozenset(names) or None,
    )


def _open_stores(variable: str, *buckets: Address) -> "ObjectStores":
    from carteiro.references.object_stores import ObjectStores

    stores = ObjectStores()
    try:
        for bucket in buckets:
            stores.open(bucket)
    except StoreInvalid as error:
        raise SettingsInvalid(f"{variable}: {error}") from None
    return stores
