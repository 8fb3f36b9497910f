"""Documents that a command has sent: when the index service has read them, and which of them are in the store."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from rich.progress import Progress

from carteiro.cli.index.status import error_line
from carteiro.cli.index.store_access import with_store
from carteiro.cli.json_lines import print_json
from carteiro.cli.plural import pluralise
from carteiro.kafka.committed_offsets import committed_offsets
from carteiro.retrieval.document import DocumentError, Version
from carteiro.retrieval.errors import CollectionUnknown
from carteiro.retrieval.store import DocumentStore
from carteiro.settings.worker import WorkerSettings

_POLL_SECONDS = 0.5
_HINT_SECONDS = 5.0
"""Seconds without a further document, after which a line without a progress bar says what is waited for."""
_MAX_ERRORS = 1000


class NotRead(Exception):
    """The index service has read no further document for a time. The message says what to look at."""


@dataclass(slots=True)
class SentDocuments:
    """Documents of a collection that were sent to a topic, which `group` reads."""

    collection: str
    topic: str
    group: str
    versions: dict[str, Version] = field(default_factory=dict)
    """The version of each document, by its key."""

    async def wait_until_read(
        self,
        admin: AIOKafkaAdminClient,
        bar: Progress,
        patience: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Wait until the group has finished all of them.

        Raise `NotRead` if it finishes no further one for `patience` seconds, and `KafkaError`.
        """
        task = bar.add_task(f"read by {self.group}", total=len(self.versions))
        partitions = [TopicPartition(self.topic, each) for each in {v.partition for v in self.versions.values()}]
        best, best_at, is_silent = 0, clock(), not bar.disable
        while partitions:
            committed = await committed_offsets(admin, self.group, partitions)
            offsets = {each.partition: found.offset for each, found in committed.items()}
            finished = sum(each.offset < offsets[each.partition] for each in self.versions.values())
            bar.update(task, completed=finished)
            if finished == len(self.versions):
                return
            if finished > best:
                best, best_at = finished, clock()
            if clock() - best_at >= patience:
                read = f"{best:,} of {pluralise(len(self.versions), 'document')}"
                raise NotRead(
                    f"{self.group} has read {read}, and no further one for {patience:g} s: does the index service "
                    f"run with {self.collection} in CARTEIRO_COLLECTIONS? The documents stay in {self.topic}"
                )
            if not is_silent and clock() - best_at >= _HINT_SECONDS:
                is_silent = True
                command = f"CARTEIRO_COLLECTIONS={self.collection} carteiro worker index"
                service = f"the index service, group {self.group} (`{command}`)"
                print(f"carteiro: waiting for {service}", file=sys.stderr, flush=True)
            await sleep(_POLL_SECONDS)

    async def find_missing(self, store: DocumentStore) -> list[DocumentError]:
        """Return the documents of which the store has an older version, or none, with the reasons that it knows."""
        missing: dict[str, DocumentError] = {}
        for key, version in self.versions.items():
            try:
                _, stored = await store.lookup(self.collection, key)
            except CollectionUnknown:
                stored = None
            if stored is None or not stored.supersedes(version):
                missing[key] = DocumentError(key, version, "unknown", "the store does not have it")
        if missing:
            for error in await _read_errors(store, self.collection):
                if error.key in missing and _record(error.version) == _record(missing[error.key].version):
                    missing[error.key] = error
        return list(missing.values())

    def print_result(self, settings: WorkerSettings, *, as_json: bool) -> bool:
        """Print the number of documents that are in the store, and the others. Return True if there are no others."""
        missing = with_store(settings, self.find_missing)
        total = len(self.versions)
        if as_json:
            errors = [{"key": each.key, "code": each.code, "message": each.message} for each in missing]
            print_json({"collection": self.collection, "indexed": total - len(missing), "errors": errors})
        else:
            print(f"indexed {total - len(missing):,} of {pluralise(total, 'document')}")
            for error in missing:
                print(error_line(self.collection, error))
        return not missing


def _record(version: Version) -> tuple[str, int, int]:
    """Return the place of a version's record. The time that aiokafka tells may differ by a millisecond."""
    return version.topic, version.partition, version.offset


async def _read_errors(store: DocumentStore, collection: str) -> Sequence[DocumentError]:
    try:
        return await store.errors(collection, limit=_MAX_ERRORS)
    except CollectionUnknown:
        return ()
