"""Checks of the collections that the settings name: their store, their model, and their topics."""

from collections.abc import AsyncIterator, Iterator, Sequence

from aiokafka.errors import KafkaConnectionError, KafkaError

from carteiro.cli.doctor.finding import Finding
from carteiro.cli.plural import pluralise
from carteiro.extras import ExtraMissing
from carteiro.index.collection_source import CollectionFileInvalid, CollectionSource, load_collections
from carteiro.kafka.connection import admin_client
from carteiro.kafka.security import connection_options
from carteiro.models.cloud.batch_api.interface import BatchModel
from carteiro.models.errors import ModelUnusable
from carteiro.models.interface import EmbeddingModel
from carteiro.models.registry import open_model
from carteiro.models.settings import ModelSettings
from carteiro.retrieval.collection import Collection
from carteiro.retrieval.errors import DocumentStoreInvalid, DocumentStoreUnavailable
from carteiro.retrieval.store import DocumentStore
from carteiro.retrieval.stores.factory import create_store
from carteiro.settings.worker import WorkerSettings


async def check_collections(settings: WorkerSettings, model_settings: ModelSettings) -> AsyncIterator[Finding]:
    """Yield the findings on the collections to fill and to search, if the settings name some. No model is called."""
    searched = [name.strip() for name in (settings.search_collections or "").split(",") if name.strip()]
    if not settings.collections and not searched and not settings.names_store:
        return
    try:
        sources = load_collections(settings.collections, settings.topics)
        model = open_model(settings.index_model, model_settings, (EmbeddingModel,)) if sources else None
    except CollectionFileInvalid as error:
        yield Finding("collections", "fault", f"CARTEIRO_COLLECTIONS: {error}", "see docs/use/index.md")
        return
    except ModelUnusable as error:
        yield Finding("collections", "fault", f"CARTEIRO_INDEX_MODEL: {error}", "see docs/start/models.md")
        return
    try:
        found = await _read_collections(create_store(settings.store_url))
    except (DocumentStoreInvalid, DocumentStoreUnavailable, ExtraMissing, OSError) as error:
        verb = "install" if isinstance(error, ExtraMissing) else "start"
        yield Finding("store of collections", "fault", str(error), f"{verb} it, or correct CARTEIRO_STORE")
    else:
        yield Finding("store of collections", "ok", f"has {pluralise(len(found), 'collection')}")
        name = model.name if model else None
        for finding in _check_stored(found, sources, searched, name, settings.index_dimensions):
            yield finding
    for source in sources:
        if source.wait and not (isinstance(model, BatchModel) and model.batches is not None):
            reason = f"waits for batches, and CARTEIRO_INDEX_MODEL {settings.index_model} has none for embeddings"
            yield Finding(f"collection {source.collection}", "fault", reason, "name openai: or azure:, or remove wait")
    if sources:
        async for finding in _check_topics(sources, settings):
            yield finding


async def _read_collections(store: DocumentStore) -> list[Collection]:
    try:
        await store.open()
        return await store.collections()
    finally:
        await store.close()


def _check_stored(
    found: Sequence[Collection],
    sources: Sequence[CollectionSource],
    searched: Sequence[str],
    model: str | None,
    dimensions: int | None,
) -> Iterator[Finding]:
    """Yield findings on the collections of the store. `model` and `dimensions` are those of the settings."""
    by_name = {each.name: each for each in found}
    for name in [each for each in searched if each not in by_name]:
        advice = "the index service creates it with its first document"
        yield Finding(
            f"collection {name}", "warning", "the store does not have it, so no request can search it", advice
        )
    for source in sources:
        what, stored = f"collection {source.collection}", by_name.get(source.collection)
        if stored is None or stored.active is None:
            yield Finding(what, "ok", "is not in the store yet: its first document creates it")
            continue
        built = stored.active.embedding
        if built.model == model and dimensions in (None, built.dimensions):
            yield Finding(what, "ok", f"is embedded by {built.model}, with {built.dimensions:,} dimensions")
            continue
        wanted = f"{model}" if dimensions is None else f"{model} with {dimensions:,} dimensions"
        yield Finding(
            what,
            "warning",
            f"is embedded by {built.model} with {built.dimensions:,} dimensions, and CARTEIRO_INDEX_MODEL is {wanted}",
            "the index service embeds all documents again; to keep the vectors, set the earlier model",
        )


async def _check_topics(sources: Sequence[CollectionSource], settings: WorkerSettings) -> AsyncIterator[Finding]:
    try:
        async with admin_client(connection_options(settings)) as admin:
            existing = set(await admin.list_topics())
    except KafkaConnectionError:
        return  # The finding on the broker says so.
    except KafkaError as error:
        yield Finding(
            "topics of collections", "fault", f"Kafka does not say: {error!r}", "see docs/run/kafka-security.md"
        )
        return
    for source in sources:
        names = settings.topics
        wanted = [source.source, names.dead(source.served_name)]
        if source.wait:
            wanted.append(names.batches(source.served_name))
        what = f"topics of {source.collection}"
        if missing := [name for name in wanted if name not in existing]:
            advice = "`carteiro topics create`, or this user may not see them"
            yield Finding(what, "warning", f"there is no {', no '.join(missing)}", advice)
        else:
            yield Finding(what, "ok", f"documents come from {source.source}")
