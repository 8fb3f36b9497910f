"""Writes the documents of one collection to the store: only chunks that are new to it are embedded."""

from collections.abc import Sequence
from dataclasses import dataclass

from carteiro.models.errors import InvalidOutput
from carteiro.references.memory_budget import MemoryBudget
from carteiro.retrieval.chunk import EmbeddedChunk
from carteiro.retrieval.collection import Collection, Generation
from carteiro.retrieval.document import Document, StoredDocument, Version
from carteiro.retrieval.errors import CollectionUnknown, VectorMissing
from carteiro.retrieval.store import DocumentStore
from carteiro.worker.index.generations import Generations, Target
from carteiro.worker.index.store_connection import StoreConnection
from carteiro.worker.model_calls.budget import UsageMeter
from carteiro.worker.model_calls.deferred_request import Deferral
from carteiro.worker.observability import metrics

MEMORY_CHARACTERS = 16 * 1024 * 1024
"""Characters of the documents that all collections of a worker split and embed at once. Their vectors take 2 to 12
times as many bytes.
"""
_MAX_TRIES = 4


@dataclass(frozen=True, slots=True)
class DocumentWriter:
    """Writer of one collection. Calls for the same document run one after the other."""

    connection: StoreConnection
    generations: Generations
    memory: MemoryBudget

    @property
    def collection(self) -> str:
        """The collection's name."""
        return self.generations.collection

    @property
    def pause_reason(self) -> str | None:
        """Reason to take in no more documents; None if the store and the model answer."""
        return self.connection.pause_reason or self.generations.embedders.current.chain.pause_reason

    async def write(
        self, document: Document, version: Version, meter: UsageMeter, deferral: Deferral | None = None
    ) -> bool:
        """Write a version of a document. Return False, without a change, if the store has a newer one.

        With `deferral` a batch of the provider embeds it for the generation of this worker's model. Wait while the
        store is away. Raise the errors of models.
        """
        collection, stored = await self._look_up(document.key)
        if stored is not None and not version.supersedes(stored):
            return False
        with await self.memory.reserve(min(len(document.text), MEMORY_CHARACTERS)):
            for _ in range(_MAX_TRIES - 1):
                try:
                    # A document that was never stored has no chunks to look for.
                    return await self._write(document, version, meter, deferral, collection, reuse=stored is not None)
                except (CollectionUnknown, VectorMissing):
                    collection = None  # It was deleted meanwhile, or another worker has replaced the chunks.
            return await self._write(document, version, meter, deferral, None, reuse=False)

    async def build(self, generation: Generation, stored: StoredDocument, meter: UsageMeter) -> bool:
        """Add a stored document to the generation of this worker's model.

        Return False, without a change, if the store has another version of it. Wait as `write`. Raise `VectorMissing`,
        `CollectionUnknown`, and the errors of models.
        """
        target = Target(generation, self.generations.embedders.current)
        with await self.memory.reserve(min(len(stored.document.text), MEMORY_CHARACTERS)):
            chunks = await self._chunks(target, stored.document, meter, reuse=True)
            return await self.connection.run(lambda store: store.build(generation, stored, chunks))

    async def delete(self, key: str, version: Version, meter: UsageMeter) -> bool:
        """Delete a document. Return False, without a change, if the store has a newer version.

        Create the collection if it is missing: it keeps the deletion's version, so that an older document that comes
        later is not stored. Wait and raise as `write`.
        """

        async def delete(store: DocumentStore) -> bool:
            return await store.delete(self.collection, key, version)

        try:
            return await self.connection.run(delete)
        except CollectionUnknown:
            await self.generations.load(meter)
            return await self.connection.run(delete)

    async def note_error(self, key: str, version: Version, code: str, message: str, meter: UsageMeter) -> None:
        """Keep the reason why a version of a document is not stored. Wait and raise as `write`."""

        async def note(store: DocumentStore) -> None:
            await store.note_error(self.collection, key, version, code, message)

        try:
            await self.connection.run(note)
        except CollectionUnknown:
            await self.generations.load(meter)
            await self.connection.run(note)

    async def _look_up(self, key: str) -> tuple[Collection | None, Version | None]:
        async def read(store: DocumentStore) -> tuple[Collection, Version | None]:
            return await store.lookup(self.collection, key)

        try:
            return await self.connection.run(read)
        except CollectionUnknown:
            return None, None

    async def _write(
        self,
        document: Document,
        version: Version,
        meter: UsageMeter,
        deferral: Deferral | None,
        collection: Collection | None,
        *,
        reuse: bool,
    ) -> bool:
        chunks: dict[Generation, Sequence[EmbeddedChunk]] = {}
        for target in await self.generations.targets(meter, collection):
            is_current = target.embedder is self.generations.embedders.current
            own_deferral = deferral if is_current else None
            chunks[target.generation] = await self._chunks(target, document, meter, own_deferral, reuse=reuse)

        async def write(store: DocumentStore) -> bool:
            return await store.write(self.collection, document, version, chunks)

        return await self.connection.run(write)

    async def _chunks(
        self,
        target: Target,
        document: Document,
        meter: UsageMeter,
        deferral: Deferral | None = None,
        *,
        reuse: bool,
    ) -> list[EmbeddedChunk]:
        """Return the chunks of a document. With `reuse`, those that the generation has are without a vector."""
        generation, embedder = target.generation, target.embedder
        chunks = await embedder.split(document, generation.embedding)
        known = await self._known_hashes(generation, document.key) if reuse else frozenset[str]()
        new = {chunk.hash: chunk.embedded_text for chunk in chunks if chunk.hash not in known}
        vectors = dict(zip(new, await embedder.embed(list(new.values()), meter, deferral), strict=True))
        dimensions = generation.embedding.dimensions
        if other := next((len(each) for each in vectors.values() if len(each) != dimensions), None):
            raise InvalidOutput(
                f"{generation.embedding.model} gave vectors of {other:,} dimensions; those of the collection have "
                f"{dimensions:,}"
            )
        metrics.labelled(metrics.CHUNKS, self.collection, "embedded").inc(len(new))
        metrics.labelled(metrics.CHUNKS, self.collection, "reused").inc(len(chunks) - len(new))
        return [EmbeddedChunk(chunk, vectors.get(chunk.hash)) for chunk in chunks]

    async def _known_hashes(self, generation: Generation, key: str) -> frozenset[str]:
        async def read(store: DocumentStore) -> frozenset[str]:
            return await store.known_hashes(generation, key)

        return await self.connection.run(read)
