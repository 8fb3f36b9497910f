"""Composition of the collections: the subscribers of their documents, and what writes them to the store."""

from collections.abc import Callable, Sequence
from functools import partial

from faststream.kafka import KafkaBroker

from carteiro.index.collection_source import CollectionSource
from carteiro.kafka.compacted_topic import CompactedTopic
from carteiro.models.cloud.batch_api.interface import BatchModel
from carteiro.references.memory_budget import MemoryBudget
from carteiro.registry.connection import Registry
from carteiro.retrieval.readers.file_reader import DocumentFileReader
from carteiro.wire.event_format import EventFormat
from carteiro.wire.json_event import JsonFormat
from carteiro.wire.record import Record
from carteiro.worker.batch_api.coordinator import BatchCoordinator
from carteiro.worker.composition.batch_subscribers import batch_settings
from carteiro.worker.composition.context import WorkerContext
from carteiro.worker.composition.partition_handlers import BatchIndexHandler, IndexHandler
from carteiro.worker.composition.served_topic import ServedTopic
from carteiro.worker.delivery.subscriber import subscribe
from carteiro.worker.handling.dead_letters import DeadLetters
from carteiro.worker.index.document_handler import DocumentHandler
from carteiro.worker.index.document_outcome import DocumentOutcome
from carteiro.worker.index.document_reader import FILE_CHARACTERS, DocumentReader
from carteiro.worker.index.document_writer import MEMORY_CHARACTERS, DocumentWriter
from carteiro.worker.index.generations import Embedders, Generations
from carteiro.worker.index.store_connection import StoreConnection
from carteiro.worker.model_calls.fallback import FallbackChain
from carteiro.worker.observability import metrics


def subscribe_to_collections(
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
    files, live_memory, waiting_memory = DocumentFileReader(), _Memory(), _Memory()

    def subscribe(source: CollectionSource) -> ServedTopic:
        # Documents that wait for a batch must not take the memory of others.
        memory = waiting_memory if source.wait else live_memory
        writer = DocumentWriter(connection, Generations(source.collection, connection, embedders), memory.writing)
        return _subscribe(
            broker, source, writer, files, memory.reading, context, partial(on_joined, source.served_name)
        )

    return [subscribe(source) for source in sources]


class _Memory:
    """Budgets of the characters of documents in memory."""

    def __init__(self) -> None:
        self.reading, self.writing = MemoryBudget(FILE_CHARACTERS), MemoryBudget(MEMORY_CHARACTERS)


def _subscribe(
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
    chain = writer.generations.embedders.current.chain
    coordinator = _build_coordinator(source, chain, context) if source.wait else None

    async def handle(record: Record) -> DocumentOutcome:
        return await handler.handle(record, coordinator.deferred_request(record) if coordinator else None)

    subscriber = subscribe(broker, source.source, group, handle, handler.handle_unparsed, options)
    partition_handler = (
        BatchIndexHandler(handler, subscriber, context, coordinator)
        if coordinator
        else IndexHandler(handler, subscriber, context)
    )
    subscriber.lanes = context.create_lanes(partition_handler, source.source, on_joined)
    return ServedTopic(name, group, (chain,), subscriber, "documents")


def _build_coordinator(source: CollectionSource, chain: FallbackChain, context: WorkerContext) -> BatchCoordinator:
    model = chain.targets[0].model
    assert isinstance(model, BatchModel)  # `open_index` has checked it
    topic = CompactedTopic(
        context.settings.topics.batches(source.served_name),
        source.source,
        context.client_options,
        lambda: context.router.producer,
        deletion_effect="forgets which batches are paid for",
    )
    return BatchCoordinator(source.served_name, topic, {model.name: model}, batch_settings(context.settings))


def _event_format(source: CollectionSource, registry: Registry | None) -> EventFormat:
    """Return the format of a collection's events: that of each event's schema, or JSON without a registry."""
    return JsonFormat() if registry is None else registry.event_format(source.source, {})
