"""The documents of the demo: a collection in a store that is deleted when the demo ends."""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from carteiro.cli.index.file_records import find_files, read_file
from carteiro.kafka.producers import acknowledged_producer
from carteiro.kafka.security import connection_options
from carteiro.retrieval.errors import CollectionUnknown
from carteiro.retrieval.store import DocumentStore
from carteiro.retrieval.stores.factory import create_store
from carteiro.settings.worker import WorkerSettings

COLLECTION = "demo"
_POLL_SECONDS = 0.1


@contextmanager
def demo_collection(folder: Path) -> Iterator[list[Path]]:
    """Set the environment for a collection of the documents in `folder`, and give their files.

    Without files there is no collection.
    """
    files = list(find_files([folder])) if folder.is_dir() else []
    with tempfile.TemporaryDirectory(prefix="carteiro-demo-") as place:
        if files:
            os.environ["CARTEIRO_STORE"] = f"sqlite:///{place}/documents.sqlite"
            os.environ["CARTEIRO_COLLECTIONS"] = COLLECTION
        yield files


async def index_documents(files: list[Path], settings: WorkerSettings) -> None:
    """Send the files to the collection's topic, and return when the collection has them."""
    producer = acknowledged_producer(connection_options(settings), max_produce_bytes=settings.max_produce_bytes)
    await producer.start()
    try:
        for file in files:
            record = read_file(file, {}, settings.max_produce_bytes // 2)
            await producer.send_and_wait(settings.topics.documents(f"index-{COLLECTION}"), record.value, record.key)
    finally:
        await producer.stop()
    store = create_store(settings.store_url)
    await store.open()
    try:
        while await _documents(store) < len(files):  # noqa: ASYNC110  # another worker writes them
            await asyncio.sleep(_POLL_SECONDS)
    finally:
        await store.close()


async def _documents(store: DocumentStore) -> int:
    try:
        return (await store.counts(COLLECTION)).documents
    except CollectionUnknown:
        return 0
