"""The rebuild of a collection for another embedding model: next to the generation in use, which it replaces at once."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from carteiro.models.errors import ContentFiltered, InvalidPrompt, ModelError, PromptTooLarge, Refused
from carteiro.retrieval.collection import Collection, Generation
from carteiro.retrieval.document import StoredDocument, Version
from carteiro.retrieval.errors import CollectionUnknown, DocumentInvalid, VectorMissing
from carteiro.retrieval.store import DocumentStore
from carteiro.worker.index.document_writer import DocumentWriter
from carteiro.worker.model_calls.budget import CostBudget, UsageMeter
from carteiro.worker.observability import metrics
from carteiro.worker.observability.logs import traceback_summary

log = structlog.get_logger("carteiro.worker")

_PARTITION = 0
"""Partition whose owner rebuilds the collection and counts its documents."""
_INTERVAL_SECONDS = 30.0
_DOCUMENTS_AT_ONCE = 8
_REFUSALS = (PromptTooLarge, InvalidPrompt, Refused, ContentFiltered)
"""Errors of a model that are about one document."""


class Rebuild:
    """The rebuild of one collection. One worker of a collection runs it: the one that has partition 0 of its topic."""

    def __init__(
        self,
        writer: DocumentWriter,
        budget: CostBudget,
        task: str,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._writer, self._budget, self._task, self._sleep = writer, budget, task, sleep
        self._refused: dict[str, Version] = {}
        """Documents that the model or the store refuses, which are not tried again until they change."""

    async def run(self) -> None:
        """Look for outdated documents at intervals, until cancelled."""
        while True:
            try:
                await self.step()
            except CollectionUnknown:
                pass  # It was deleted meanwhile.
            except ModelError as error:
                log.warning("a rebuild is interrupted", collection=self._writer.collection, code=error.code)
            except Exception as error:  # noqa: BLE001  # the next step may succeed
                failure = traceback_summary(error)
                log.error("a rebuild is interrupted", collection=self._writer.collection, failure=failure)
            await self._sleep(_INTERVAL_SECONDS)

    async def step(self) -> None:
        """Build the documents that the generation of this worker's model lacks, and make it the active one.

        Raise `CollectionUnknown` if there is no collection yet, and the errors of models.
        """
        name = self._writer.collection
        await self._read_collection()
        collection, own = await self._writer.generations.load(self._meter())
        if own not in collection.generations:
            return
        is_switch = collection.active != own
        while await self._build_all(own):
            pass
        if is_switch:
            await self._writer.connection.run(lambda store: store.activate(own))
            log.info("a collection is rebuilt", collection=name, model=own.embedding.model)
        await self._drop_earlier(collection, own)
        await self._report()

    async def _read_collection(self) -> Collection:
        return await self._writer.connection.run(lambda store: store.collection(self._writer.collection))

    async def _build_all(self, own: Generation) -> int:
        """Build the documents that are outdated, in the order of their keys. Return the number of those built."""
        built, after = 0, ""
        while documents := await self._read_outdated(own, after):
            after = documents[-1].document.key
            work = [self._build(own, stored) for stored in documents if not self._is_refused(stored)]
            built += sum(await asyncio.gather(*work))
            await self._report()
        return built

    async def _read_outdated(self, own: Generation, after: str) -> list[StoredDocument]:
        async def read(store: DocumentStore) -> list[StoredDocument]:
            return await store.documents(
                self._writer.collection, after=after, limit=_DOCUMENTS_AT_ONCE, outdated_in=own
            )

        return await self._writer.connection.run(read)

    async def _build(self, own: Generation, stored: StoredDocument) -> bool:
        """Build one document. Return False if that is not needed, or not possible."""
        meter = self._meter()
        try:
            return await self._writer.build(own, stored, meter)
        except VectorMissing:
            return False  # Another worker has replaced the document.
        except _REFUSALS as error:
            code, reason = error.code, error.message
        except DocumentInvalid as error:
            code, reason = "invalid_request", str(error)
        key, version = stored.document.key, stored.version
        self._refused[key] = version
        await self._writer.note_error(key, version, code, reason, meter)
        return False

    def _meter(self) -> UsageMeter:
        return UsageMeter(self._budget, self._task, None)

    def _is_refused(self, stored: StoredDocument) -> bool:
        return self._refused.get(stored.document.key) == stored.version

    async def _drop_earlier(self, collection: Collection, own: Generation) -> None:
        """Drop the generations before this one. A later one is another worker's, whose settings are newer."""
        for generation in collection.generations[: collection.generations.index(own)]:
            await self._writer.connection.run(partial(_drop, generation))

    async def _report(self) -> None:
        name = self._writer.collection
        counts = await self._writer.connection.run(lambda store: store.counts(name))
        metrics.COLLECTION_DOCUMENTS.labels(name).set(counts.documents)
        metrics.COLLECTION_ERRORS.labels(name).set(counts.errors)
        metrics.COLLECTION_CHUNKS.labels(name).set(sum(counts.chunks.values()))
        metrics.COLLECTION_OUTDATED.labels(name).set(max(counts.outdated.values(), default=0))


class RebuildTask:
    """The task of a rebuild, in the worker that has the partition whose owner runs it."""

    def __init__(self, rebuild: Rebuild, collection: str) -> None:
        self._rebuild, self._collection = rebuild, collection
        self._task: asyncio.Task[None] | None = None

    def on_assigned(self, partition: int) -> None:
        """Start the rebuild if its partition is assigned and it does not run."""
        if partition == _PARTITION and self._task is None:
            self._task = asyncio.create_task(self._rebuild.run())

    def on_lost(self, partition: int) -> None:
        """Stop the rebuild if its partition is lost."""
        if partition == _PARTITION and self._task is not None:
            self._task.cancel()
            self._task = None
            forget_counts(self._collection)


async def _drop(generation: Generation, store: DocumentStore) -> None:
    await store.drop_generation(generation)


def forget_counts(collection: str) -> None:
    """Remove the counts of a collection from the metrics: another worker reports them from now on."""
    for metric in (
        metrics.COLLECTION_DOCUMENTS,
        metrics.COLLECTION_ERRORS,
        metrics.COLLECTION_CHUNKS,
        metrics.COLLECTION_OUTDATED,
    ):
        with contextlib.suppress(KeyError):
            metric.remove(collection)
