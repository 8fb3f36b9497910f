"""The index service on the embedded broker: chunks a second next to the model's own speed, and freshness."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from benchmarks.collections.embedder import EMBEDDER, Work
from benchmarks.process import RunningProcess, program_path, run_process, wait_until_ready
from carteiro.cli.embedded import EmbeddedBroker
from carteiro.retrieval.collection import CollectionCounts
from carteiro.retrieval.document import Document
from carteiro.retrieval.errors import CollectionUnknown
from carteiro.retrieval.retriever import Search, find_passages
from carteiro.retrieval.store import DocumentStore

COLLECTION = "bench"
_TOPIC, _DEAD = f"llm.index-{COLLECTION}.documents", f"llm.index-{COLLECTION}.dead"
_PORT = 18093
_TIMEOUT = 300.0
_COUNT_SECONDS, _SEARCH_SECONDS = 0.1, 0.02
_COUNT_SHARE, _MAX_COUNT_SECONDS = 0.25, 2.0
"""Share of the expected rest of a round between counts: each takes processor time that the service needs."""


class IndexWorker:
    """A running index service, and a producer of its documents."""

    def __init__(self, process: RunningProcess, producer: AIOKafkaProducer) -> None:
        self._process, self._producer = process, producer

    async def index(self, documents: Sequence[Document], store: DocumentStore) -> Work:
        """Send documents at once, and return the work once the store has all of them."""
        usage = psutil.Process(self._process.process.pid)
        before = await _counts(store)
        cpu, began = sum(usage.cpu_times()[:2]), time.perf_counter()
        for each in documents:
            await self._send(each)
        await self._producer.flush()
        while (done := (now := await _counts(store)).documents - before.documents) < len(documents):
            self._check(began)
            rest = (len(documents) - done) / max(done, 1) * (time.perf_counter() - began)
            await asyncio.sleep(min(max(rest * _COUNT_SHARE, _COUNT_SECONDS), _MAX_COUNT_SECONDS))
        seconds, used = time.perf_counter() - began, sum(usage.cpu_times()[:2]) - cpu
        return Work(sum(now.chunks.values()) - sum(before.chunks.values()), seconds, used)

    async def freshness(self, document: Document, vector: Sequence[float], store: DocumentStore) -> float:
        """Send one document, and return the seconds until a search by its title and a vector finds it."""

        async def embed(*_: object) -> Sequence[float]:
            return vector

        began = time.perf_counter()
        await self._send(document)
        await self._producer.flush()
        asked = Search(collection=COLLECTION, text=document.title)
        while document.key not in [each.key for each in await find_passages(store, embed, asked)]:
            self._check(began)
            await asyncio.sleep(_SEARCH_SECONDS)
        return time.perf_counter() - began

    @property
    def memory_mib(self) -> float:
        """Resident memory of the worker, in MiB."""
        return float(psutil.Process(self._process.process.pid).memory_info().rss / 2**20)

    async def _send(self, document: Document) -> None:
        value = {"text": document.text, "title": document.title, "uri": document.uri, "fields": dict(document.fields)}
        await self._producer.send(_TOPIC, json.dumps(value).encode(), key=document.key.encode())

    def _check(self, began: float) -> None:
        if self._process.has_exited or time.perf_counter() - began > _TIMEOUT:
            raise SystemExit(f"the index service does not index:\n{self._process.output[-2000:]}")


async def _counts(store: DocumentStore) -> CollectionCounts:
    try:
        return await store.counts(COLLECTION)
    except CollectionUnknown:
        return CollectionCounts(0, 0, {}, {})


@asynccontextmanager
async def run_worker(store_url: str, log: Path) -> AsyncIterator[IndexWorker]:
    """Run a broker and an index service until the block ends."""
    with EmbeddedBroker() as broker:
        admin = AIOKafkaAdminClient(bootstrap_servers=broker.address)
        await admin.start()
        await admin.create_topics([NewTopic(name, 2, 1) for name in (_TOPIC, _DEAD)])
        await admin.close()
        settings = {
            "CARTEIRO_BOOTSTRAP_SERVERS": broker.address,
            "CARTEIRO_INDEX_MODEL": EMBEDDER,
            "CARTEIRO_COLLECTIONS": COLLECTION,
            "CARTEIRO_STORE": store_url,
            "CARTEIRO_HTTP_PORT": str(_PORT),
        }
        command = [program_path("faststream"), "run", "services.app:index"]
        with run_process(command, settings, log) as process:
            await wait_until_ready(process, _PORT)
            async with AIOKafkaProducer(bootstrap_servers=broker.address) as producer:
                yield IndexWorker(process, producer)
