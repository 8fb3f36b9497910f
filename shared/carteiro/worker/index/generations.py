"""The generations of a collection that get its documents: that of the worker's model, and the one that searches use."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import structlog

from carteiro.retrieval.collection import Collection, EmbeddingSettings, Generation
from carteiro.retrieval.errors import CollectionUnknown
from carteiro.retrieval.store import DocumentStore
from carteiro.worker.index.chunk_embedder import ChunkEmbedder
from carteiro.worker.index.store_connection import StoreConnection
from carteiro.worker.model_calls.budget import UsageMeter
from carteiro.worker.model_calls.fallback import FallbackChain

log = structlog.get_logger("carteiro.worker")

OpenModel = Callable[[str], Awaitable[FallbackChain | None]]
"""Returns the loaded model of a name; None if it cannot be used."""


class Embedders:
    """The worker's embedder, and those of earlier models, which are opened when a collection still uses them."""

    def __init__(self, current: ChunkEmbedder, open_model: OpenModel) -> None:
        self.current, self._open_model = current, open_model
        self._earlier: dict[EmbeddingSettings, ChunkEmbedder | None] = {}
        self._lock = asyncio.Lock()

    async def for_settings(self, settings: EmbeddingSettings, meter: UsageMeter) -> ChunkEmbedder | None:
        """Return the embedder whose vectors have these settings; None if its model cannot be used (any more)."""
        if settings == await self.current.settings(meter):
            return self.current
        async with self._lock:
            if settings not in self._earlier:
                self._earlier[settings] = await self._open(settings, meter)
            return self._earlier[settings]

    async def _open(self, settings: EmbeddingSettings, meter: UsageMeter) -> ChunkEmbedder | None:
        is_same_model = settings.model == self.current.chain.model_names[0]
        chain = self.current.chain if is_same_model else await self._open_model(settings.model)
        if chain is None:
            return None
        # A model that has vectors of one length only may refuse to be asked for any.
        natural = ChunkEmbedder(chain, settings.max_tokens)
        if (await natural.settings(meter)).dimensions == settings.dimensions:
            return natural
        return replace(natural, dimensions=settings.dimensions)


@dataclass(frozen=True, slots=True)
class Target:
    """A generation that gets documents, and the embedder of its vectors."""

    generation: Generation
    embedder: ChunkEmbedder


class Generations:
    """The generations of one collection, as this worker fills them."""

    def __init__(self, collection: str, connection: StoreConnection, embedders: Embedders) -> None:
        self.collection, self._connection, self.embedders = collection, connection, embedders
        self._was_seen = False
        """True if the store had the generation of this worker's model."""
        self.is_superseded = False
        """True if the collection has another model since this worker began: its own is an earlier one."""

    async def load(self, meter: UsageMeter, found: Collection | None = None) -> tuple[Collection, Generation]:
        """Return the collection, which is `found` if given, and the generation of this worker's model.

        Create what is missing, except the generation of a worker that is superseded. Wait while the store is away.
        Raise the errors of models.
        """

        async def load(store: DocumentStore) -> tuple[Collection, Generation]:
            # Here, settings that no store takes are an error of the store: documents wait, and are not given up.
            own = Generation(self.collection, await self.embedders.current.settings(meter))
            try:
                collection = found or await store.collection(self.collection)
            except CollectionUnknown:
                return await store.add_generation(own), own
            if own not in collection.generations:
                if self._was_seen:
                    self._set_superseded()
                    return collection, own
                collection = await store.add_generation(own)
            self._was_seen = True
            return collection, own

        return await self._connection.run(load)

    async def targets(self, meter: UsageMeter, found: Collection | None = None) -> list[Target]:
        """Return the generations that get documents now. Use `found`, wait and raise as `load`.

        Documents go to the active generation too while another one is built, if its model can be used.
        """
        collection, own = await self.load(meter, found)
        targets = [Target(own, self.embedders.current)] if own in collection.generations else []
        if collection.active not in (None, own):
            assert collection.active is not None
            if (earlier := await self.embedders.for_settings(collection.active.embedding, meter)) is not None:
                targets.append(Target(collection.active, earlier))
        return targets

    def _set_superseded(self) -> None:
        if not self.is_superseded:
            advice = "restart this worker with the same CARTEIRO_INDEX_ settings as the others"
            log.warning("another worker has changed a collection's model", collection=self.collection, advice=advice)
        self.is_superseded = True
