"""`carteiro index status`."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer
from rich.console import Console
from rich.table import Table

from carteiro.cli.exit_codes import EXIT_USAGE, exit_with
from carteiro.cli.index.store_access import load_worker_settings, with_store
from carteiro.cli.json_lines import print_json
from carteiro.cli.kafka import KafkaSession, silence_worker_logs, with_kafka
from carteiro.cli.plural import pluralise
from carteiro.cli.terminal_escape import escape
from carteiro.index.collection_source import SERVED_PREFIX, CollectionFileInvalid, CollectionSource, load_collections
from carteiro.kafka.lag import topic_lag
from carteiro.retrieval.collection import Collection, CollectionCounts
from carteiro.retrieval.document import DocumentError
from carteiro.retrieval.store import DocumentStore
from carteiro.settings.worker import WorkerSettings

_UNLIMITED_WIDTH = 10_000
_UNKNOWN = "-"


@dataclass(frozen=True, slots=True)
class CollectionStatus:
    """A collection in the store."""

    name: str
    model: str
    """The model that searches use now."""
    documents: int
    chunks: int
    """Chunks that searches use now."""
    rebuild: str | None
    """The model for which the collection is rebuilt; None if it is not."""
    outdated: int
    """Documents that the rebuild has not reached yet."""
    error_count: int
    errors: Sequence[DocumentError]


def show_status(name: str | None, max_errors: int, *, as_json: bool) -> None:
    """Print the state of a collection, or of all of the store."""
    silence_worker_logs()
    settings = load_worker_settings()
    sources = _sources(settings)

    async def read(store: DocumentStore) -> list[CollectionStatus]:
        found = [await store.collection(name)] if name else await store.collections()
        return [await _read(store, each, max_errors) for each in found]

    states = with_store(settings, read)
    names = dict.fromkeys([*(state.name for state in states), *([] if name else sources)])
    lags = with_kafka(settings, lambda kafka: _lags(kafka, settings, [*names], sources))
    by_name = {state.name: state for state in states}
    if as_json:
        for each in names:
            print_json(_json_object(each, by_name.get(each), lags.get(each)))
        return
    if not names:
        print("there are no collections; CARTEIRO_COLLECTIONS names those to fill")
        return
    console = Console(
        markup=False, emoji=False, highlight=False, width=None if sys.stdout.isatty() else _UNLIMITED_WIDTH
    )
    console.print(_table([*names], by_name, lags))
    for state in states:
        for error in state.errors:
            print(error_line(state.name, error))


def error_line(collection: str, error: DocumentError) -> str:
    """Return a line about a document that is not stored. Its key is untrusted: it may hold escape sequences."""
    place = f"{error.version.topic}/{error.version.partition}/{error.version.offset}"
    return f"{collection}  {escape(error.key)}  {error.code}  {escape(error.message)}  ({place})"


async def _read(store: DocumentStore, collection: Collection, max_errors: int) -> CollectionStatus:
    counts: CollectionCounts = await store.counts(collection.name)
    active = collection.active
    others = [each for each in collection.generations if each != active]
    return CollectionStatus(
        collection.name,
        active.embedding.model if active else _UNKNOWN,
        counts.documents,
        counts.chunks.get(active.id, 0) if active else 0,
        others[-1].embedding.model if others else None,
        counts.outdated.get(others[-1].id, 0) if others else 0,
        counts.errors,
        await store.errors(collection.name, limit=max_errors) if max_errors else [],
    )


def _sources(settings: WorkerSettings) -> dict[str, CollectionSource]:
    try:
        return {source.collection: source for source in load_collections(settings.collections, settings.topics)}
    except CollectionFileInvalid as error:
        exit_with(f"CARTEIRO_COLLECTIONS: {error}", EXIT_USAGE)


async def _lags(
    kafka: KafkaSession, settings: WorkerSettings, names: Sequence[str], sources: Mapping[str, CollectionSource]
) -> dict[str, int]:
    """Return the number of records that wait for each collection whose topic exists."""
    topics = {
        name: sources[name].source if name in sources else settings.topics.documents(f"{SERVED_PREFIX}{name}")
        for name in names
    }
    existing = {name: topic for name, topic in topics.items() if topic in kafka.existing}
    if not existing:
        return {}  # A consumer of aiokafka that is closed as soon as it has started raises `CancelledError`.
    lags = {}
    async with AIOKafkaConsumer(**kafka.options, enable_auto_commit=False) as consumer:
        for name, topic in existing.items():
            group = settings.group_of(f"{SERVED_PREFIX}{name}")
            lags[name] = sum((await topic_lag(kafka.admin, consumer, topic, group)).values())
    return lags


def _table(names: Sequence[str], states: Mapping[str, CollectionStatus], lags: Mapping[str, int]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("collection", overflow="fold")
    for column in ("documents", "chunks", "lag", "errors"):
        table.add_column(column, justify="right")
    table.add_column("model", overflow="fold")
    for name in names:
        state, lag = states.get(name), lags.get(name)
        numbers = [state.documents, state.chunks, lag, state.error_count] if state else [None, None, lag, None]
        model = state.model if state else _UNKNOWN
        if state and state.rebuild:
            model += f"; rebuilt for {state.rebuild}, {pluralise(state.outdated, 'document')} left"
        table.add_row(name, *(_UNKNOWN if number is None else f"{number:,}" for number in numbers), model)
    return table


def _json_object(name: str, state: CollectionStatus | None, lag: int | None) -> dict[str, object]:
    found: dict[str, object] = {"collection": name, "lag": lag}
    if state is None:
        return found | {"documents": 0, "chunks": 0, "model": None, "rebuild": None, "error_count": 0, "errors": []}
    rebuild = {"model": state.rebuild, "documents_left": state.outdated} if state.rebuild else None
    errors = [
        {
            "key": error.key,
            "code": error.code,
            "message": error.message,
            "topic": error.version.topic,
            "partition": error.version.partition,
            "offset": error.version.offset,
        }
        for error in state.errors
    ]
    return found | {
        "documents": state.documents,
        "chunks": state.chunks,
        "model": state.model,
        "rebuild": rebuild,
        "error_count": state.error_count,
        "errors": errors,
    }
