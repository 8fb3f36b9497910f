"""Composition of the collections: the subscribers of their documents, and what writes them to the store."""

from collections.abc import Callable, Sequence
from functools import partial

from faststream.kafka import KafkaBroker

from carteiro.index.collection_source import CollectionSource
from carteiro.references.memory_budget import MemoryBudget
from carteiro.registry.connection import Registry
from carteiro.retrieval.readers.file_reader import DocumentFileReader
from carteiro.wire.event_format import EventFormat
from carteiro.wire.json_event import JsonFormat
from carteiro.worker.composition.context import WorkerContext
from carteiro.worker.composition.partition_handlers import IndexHandler
from carteiro.worker.composition.served_topic import ServedTopic
from carteiro.worker.delivery.subscriber import subscribe
from carteiro.worker.handling.dead_letters import DeadLetters
from carteiro.worker.index.document_handler import DocumentHandler
from carteiro.worker.index.document_reader import FILE_CHARACTERS, DocumentReader
from carteiro.worker.index.document_writer import MEMORY_CHARACTERS, DocumentWriter
from carteiro.worker.index.generations import Embedders, Generations
from carteiro.worker.index.store_connection import StoreConnection
from carteiro.worker.observability import metrics


def serve_collections(
    broker: KafkaBroker,
    sources: Sequence[CollectionSource],
    embedders: Embedders,
    connection: StoreConnection,
    context: WorkerContext,
    on_joined: Callable[[str], None],
) -> list[ServedTopic]:
    """Subscribe to the documents of collections.

    `on_joined` is called with the collection's served name at each assignment of partitions.
    """
    memory, files = MemoryBudget(MEMORY_CHARACTERS), DocumentFileReader()
    read_memory = MemoryBudget(FILE_CHARACTERS)
    writers = [
        DocumentWriter(connection, Generations(source.collection, connection, embedders), memory) for source in sources
    ]
    return [
        _serve(broker, source, writer, files, read_memory, context, partial(on_joined, source.served_name))
        for source, writer in zip(sources, writers, strict=True)
    ]


def _serve(
    broker: KafkaBroker,
    source: CollectionSource,
    writer: DocumentWriter,
    files: DocumentFileReader,
    read_memory: MemoryBudget,
    context: WorkerContext,
    on_joined: Callable[[], None],
) -> ServedTopic:
    name, group = source.served_name, context.settings.group_of(source.served_name)
    metrics.initialise_series(name, source.source)
    event_format = _event_format(source, context.registry)
    reader = DocumentReader(source, files, event_format, context.references, read_memory)
    dead_letters = DeadLetters(context.settings.topics.dead(name), group)
    handler = DocumentHandler(reader, writer, context.budget, group, dead_letters)
    options = context.consumer_options(name)
    subscriber = subscribe(broker, source.source, group, handler.handle, handler.handle_unparsed, options)
    subscriber.lanes = context.create_lanes(IndexHandler(handler, subscriber, context), source.source, on_joined)
    return ServedTopic(name, group, (writer.generations.embedders.current.chain,), subscriber, "documents")


def _event_format(source: CollectionSource, registry: Registry | None) -> EventFormat:
    """Return the format of a collection's events: that of each event's schema, or JSON without a registry."""
    return JsonFormat() if registry is None else registry.event_format(source.source, {})
