"""The handlers of topics: of requests as they come, of deferred requests, and of events."""

from collections.abc import Sequence

from carteiro.ledger.ledger import Ledger
from carteiro.settings.worker import WorkerSettings
from carteiro.wire.deferral import original_request
from carteiro.wire.record import MAX_REQUEST_BYTES, OutgoingRecord, Record
from carteiro.wire.record_batches.record_fields import MAX_BUFFERED_BYTES
from carteiro.worker.batch_api.coordinator import BatchCoordinator
from carteiro.worker.composition.context import WorkerContext
from carteiro.worker.conversations.store import ConversationStore
from carteiro.worker.delivery.interface import Delivery, DeliveryContext
from carteiro.worker.delivery.outcome import Outcome
from carteiro.worker.delivery.partition_handler import PartitionHandler
from carteiro.worker.delivery.subscriber import LaneSubscriber
from carteiro.worker.enrichment.event_handler import EventHandler
from carteiro.worker.handling.handler import RequestHandler
from carteiro.worker.index.document_handler import DocumentHandler
from carteiro.worker.index.rebuild import Rebuild, RebuildTask
from carteiro.worker.journal.store import JournalStore

_MAX_PER_TRANSACTION = 20
"""Replies of a batch that are delivered together. Live replies wait behind them."""


def max_event_bytes(settings: WorkerSettings) -> int:
    """Return the size of the largest event that is read with its value: one that can be written."""
    return max(MAX_REQUEST_BYTES, min(settings.max_produce_bytes, MAX_BUFFERED_BYTES))


class SubscribedHandler(PartitionHandler):
    """Handler of one topic, whose records FastStream's subscriber serves. The lanes of a worker share its limits."""

    def __init__(
        self, group: str, subscriber: LaneSubscriber, context: WorkerContext, journals: JournalStore | None = None
    ) -> None:
        self.group, self._subscriber, self._context, self._journals = group, subscriber, context, journals
        self.max_in_flight = context.settings.max_in_flight
        self.broker_limits, self.exclusive_gate = context.broker_limits, context.exclusive_gate

    def accepts_work(self) -> bool:
        return self._context.pause_reason is None

    async def handle(self, record: Record) -> Outcome:
        return await self._subscriber.dispatch(record)

    def create_delivery(self, lane: DeliveryContext) -> Delivery:
        return self._context.create_delivery(lane, self._subscriber)

    async def on_assigned(self, partition: int) -> Ledger | None:
        if self._journals is not None:
            await self._journals.load(partition)
        return None

    def on_lost(self, partition: int) -> None:
        if self._journals is not None:
            self._journals.unload(partition)


class LiveHandler(SubscribedHandler):
    """Handler of a task's own topic of requests."""

    def __init__(
        self,
        requests: RequestHandler,
        subscriber: LaneSubscriber,
        context: WorkerContext,
        conversations: ConversationStore | None,
    ) -> None:
        super().__init__(requests.group, subscriber, context, requests.journals)
        self._requests, self._conversations, self._chain = requests, conversations, requests.pipeline.chain
        self.reply_topics = [requests.default_reply_topic]
        self.by_key = requests.pipeline.task.ordered_by_key

    def accepts_work(self) -> bool:
        return self._chain.pause_reason is None and super().accepts_work()

    async def reject_poison(self, record: Record, deaths: int) -> Outcome:
        return await self._requests.reject_poison(record, deaths)

    async def on_assigned(self, partition: int) -> Ledger | None:
        await super().on_assigned(partition)
        return await self._conversations.load(partition) if self._conversations else None

    def on_lost(self, partition: int) -> None:
        super().on_lost(partition)
        if self._conversations:
            self._conversations.unload(partition)


class BatchedHandler(SubscribedHandler):
    """Handler of one topic whose prompts a provider's batch API completes."""

    max_per_transaction = _MAX_PER_TRANSACTION
    resumable = snapshots = True

    def __init__(
        self, group: str, subscriber: LaneSubscriber, context: WorkerContext, coordinator: BatchCoordinator
    ) -> None:
        super().__init__(group, subscriber, context)
        self._coordinator = coordinator
        self.max_in_flight = context.settings.batch_requests
        self.max_unfinished = 2 * self.max_in_flight

    async def handle(self, record: Record) -> Outcome:
        try:
            self._coordinator.track(record)
            return await super().handle(record)
        finally:
            self._coordinator.untrack(record)

    def create_delivery(self, lane: DeliveryContext) -> Delivery:
        return self._coordinator.attach_delivery(super().create_delivery(lane), lane)

    async def on_assigned(self, partition: int) -> Ledger | None:
        return await self._coordinator.on_assigned(partition)

    def on_lost(self, partition: int) -> None:
        self._coordinator.on_lost(partition)

    def snapshot_records(self, partition: int, ledger: Ledger) -> Sequence[OutgoingRecord]:
        return self._coordinator.snapshot_records(partition, ledger)


class BatchHandler(BatchedHandler):
    """Handler of a task's topic of deferred requests."""

    def __init__(
        self,
        requests: RequestHandler,
        subscriber: LaneSubscriber,
        context: WorkerContext,
        coordinator: BatchCoordinator,
    ) -> None:
        super().__init__(requests.group, subscriber, context, coordinator)
        self._requests = requests

    async def reject_poison(self, record: Record, deaths: int) -> Outcome:
        return await self._requests.reject_poison(original_request(record), deaths)


class EnrichmentHandler(SubscribedHandler):
    """Handler of an enrichment's topic of events."""

    by_key = True
    """Consumers of the enriched topic rely on the order of events with the same key."""

    def __init__(self, events: EventHandler, subscriber: LaneSubscriber, context: WorkerContext) -> None:
        super().__init__(events.group, subscriber, context, events.journals)
        self._events = events
        self._chains = [pipeline.chain for pipeline in events.pipelines.values()]
        self.max_value_bytes = max_event_bytes(context.settings)

    def accepts_work(self) -> bool:
        return super().accepts_work() and all(chain.pause_reason is None for chain in self._chains)

    async def reject_poison(self, record: Record, deaths: int) -> Outcome:
        return await self._events.reject_poison(record, deaths)


class _DocumentsHandler(SubscribedHandler):
    """Base of the handlers of a collection's documents, which a rebuild embeds again for another model."""

    def _set_documents(self, documents: DocumentHandler) -> None:
        self._documents = documents
        rebuild = Rebuild(documents.writer, documents.budget, documents.task)
        self._rebuild = RebuildTask(rebuild, documents.writer.collection)
        self.max_value_bytes = max_event_bytes(self._context.settings)

    def accepts_work(self) -> bool:
        return super().accepts_work() and self._documents.writer.pause_reason is None

    async def reject_poison(self, record: Record, deaths: int) -> Outcome:
        return await self._documents.reject_poison(record, deaths)

    async def on_assigned(self, partition: int) -> Ledger | None:
        self._rebuild.on_assigned(partition)
        return await super().on_assigned(partition)

    def on_lost(self, partition: int) -> None:
        self._rebuild.on_lost(partition)
        super().on_lost(partition)


class IndexHandler(_DocumentsHandler):
    """Handler of the topic of a collection's documents."""

    by_key = True
    """The store has the last version of each document."""

    def __init__(self, documents: DocumentHandler, subscriber: LaneSubscriber, context: WorkerContext) -> None:
        super().__init__(documents.group, subscriber, context)
        self._set_documents(documents)


class BatchIndexHandler(_DocumentsHandler, BatchedHandler):
    """Handler of the documents of a collection that waits for batches.

    A deletion, and a later version of a document, do not wait for an earlier version: the store ignores versions that
    are older than its own.
    """

    max_per_transaction = PartitionHandler.max_per_transaction

    def __init__(
        self,
        documents: DocumentHandler,
        subscriber: LaneSubscriber,
        context: WorkerContext,
        coordinator: BatchCoordinator,
    ) -> None:
        BatchedHandler.__init__(self, documents.group, subscriber, context, coordinator)
        self._set_documents(documents)


class BatchEnrichmentHandler(BatchedHandler):
    """Handler of the events of an enrichment that waits for batches.

    Events with the same key may overtake each other.
    """

    max_per_transaction = PartitionHandler.max_per_transaction

    def __init__(
        self,
        events: EventHandler,
        subscriber: LaneSubscriber,
        context: WorkerContext,
        coordinator: BatchCoordinator,
    ) -> None:
        super().__init__(events.group, subscriber, context, coordinator)
        self._events = events
        self.max_value_bytes = max_event_bytes(context.settings)

    async def reject_poison(self, record: Record, deaths: int) -> Outcome:
        return await self._events.reject_poison(record, deaths)
