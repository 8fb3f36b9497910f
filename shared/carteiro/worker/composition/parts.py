"""The parts of a worker: its models, stores, connections and subscribers."""

from collections.abc import Sequence
from typing import Any

from faststream.kafka import KafkaBroker

from carteiro.enrichment.enrichment_file import EnrichmentFile
from carteiro.kafka.security import connection_options
from carteiro.models.interface import Model
from carteiro.registry.connection import Registry
from carteiro.settings.worker import WorkerSettings
from carteiro.tasks.task import Task
from carteiro.worker.composition.batch_subscribers import subscribe_to_deferred_requests
from carteiro.worker.composition.collection_subscribers import subscribe_to_collections
from carteiro.worker.composition.collections import INDEX_CHAIN, CollectionIndex, EarlierModels
from carteiro.worker.composition.context import WorkerContext
from carteiro.worker.composition.enrichment_subscribers import subscribe_to_enrichments
from carteiro.worker.composition.factories import (
    create_budget,
    create_cache,
    create_chains,
    create_circuit_breakers,
    create_tier_policy,
)
from carteiro.worker.composition.health_checks import WorkerHealthChecks
from carteiro.worker.composition.served_topic import ServedTopic
from carteiro.worker.composition.storage import open_library, open_references, open_reply_bucket
from carteiro.worker.composition.subscribers import subscribe_to_requests
from carteiro.worker.composition.tools import open_toolbox
from carteiro.worker.garbage_collection import collect_rarely, exempt_loaded_objects, restore_collection
from carteiro.worker.handling.idempotency import IdempotencyStore
from carteiro.worker.handling.reply_router import ReplyRouter
from carteiro.worker.index.chunk_embedder import ChunkEmbedder
from carteiro.worker.index.generations import Embedders
from carteiro.worker.index.store_connection import StoreConnection
from carteiro.worker.malloc import limit_arenas
from carteiro.worker.observability.event_loop import watch_event_loop
from carteiro.worker.observability.health import Health
from carteiro.worker.open_files import raise_limit_of_open_files


class WorkerParts:
    """Everything that a worker consists of, built and wired, but not started."""

    def __init__(
        self,
        tasks: list[Task[Any, Any]],
        models: dict[str, list[Model]],
        settings: WorkerSettings,
        broker: KafkaBroker,
        *,
        batch: bool = False,
        enrichments: Sequence[EnrichmentFile] = (),
        index: CollectionIndex | None = None,
        registry: Registry | None = None,
    ) -> None:
        """Build the parts. The subscribers are registered at `broker`. The other arguments are those of a worker."""
        self._models = {model.name: model for several in models.values() for model in several}
        self._circuit_breakers = create_circuit_breakers(self._models.values(), self._on_circuit_change)
        self.chains = create_chains(models, self._circuit_breakers, create_tier_policy(settings))
        options = connection_options(settings)
        router = ReplyRouter(options)
        self.context = WorkerContext(
            settings,
            options,
            router,
            IdempotencyStore(settings.idempotency_seconds),
            create_cache(settings),
            create_budget(settings, self._models, self._on_circuit_change),
            registry=registry,
            references=open_references(settings),
            library=open_library(settings, self._models.values(), self._on_circuit_change),
            reply_bucket=open_reply_bucket(settings),
            toolbox=open_toolbox(tasks, settings, options, lambda: router.producer),
        )
        self.served: list[ServedTopic]
        """The topics that the worker serves."""
        if enrichments:
            self.served = subscribe_to_enrichments(
                broker, enrichments, tasks, self.chains, self.context, self._on_joined
            )
        else:
            subscribe = subscribe_to_deferred_requests if batch else subscribe_to_requests
            self.served = [
                subscribe(broker, task, self.chains[task.name], self.context, self._on_joined) for task in tasks
            ]
        self._earlier_models: EarlierModels | None = None
        if index is not None:
            self.context.store = StoreConnection(index.store, self._on_circuit_change)
            self._earlier_models = EarlierModels(index.open_model, self._on_circuit_change)
            embedder = ChunkEmbedder(self.chains[INDEX_CHAIN], settings.index_chunk_tokens, settings.index_dimensions)
            embedders = Embedders(embedder, self._earlier_models.open)
            self.served += subscribe_to_collections(
                broker, index.sources, embedders, self.context.store, self.context, self._on_joined
            )
        self.served[0].subscriber.background_tasks.append(watch_event_loop)
        self.group = self.served[0].group
        checks = WorkerHealthChecks(self._models, self.served, self.context)
        self.health = Health([each.name for each in self.served], checks)

    async def load_models(self) -> None:
        """Load all models, one after the other. Raise any error of a model."""
        if all(model.remote for model in self._models.values()):
            # A local model's own threads may need their arenas; next to its weights, the saving is small. What the
            # collector finds late may be large tensors.
            limit_arenas()
            collect_rarely(self.context.settings.max_in_flight)
        raise_limit_of_open_files()
        for model in self._models.values():
            await model.load()
        if self.context.library is not None:
            await self.context.library.load()
        exempt_loaded_objects()

    async def close(self) -> None:
        """Close all connections and models, after the last reply was delivered."""
        for breaker in self._circuit_breakers.values():
            await breaker.stop_probing()
        await self.context.disconnect()
        await self.context.cache.close()
        if self.context.registry is not None:
            await self.context.registry.close()
        if self.context.store is not None:
            await self.context.store.close()
        if self.context.library is not None:
            await self.context.library.close()
        for model in self._models.values():
            await model.close()
        if self._earlier_models is not None:
            await self._earlier_models.close()
        restore_collection()

    def _on_joined(self, name: str) -> None:
        self.health.group_joined(name)

    def _on_circuit_change(self) -> None:
        self.health.refresh()
        for each in self.served:
            each.subscriber.lanes.start_ready()
