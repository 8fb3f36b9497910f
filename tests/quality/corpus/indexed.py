"""The corpus in a store of documents, as the index service puts it there."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from carteiro.models.interface import EmbeddingModel
from carteiro.retrieval.chunk import EmbeddedChunk
from carteiro.retrieval.collection import EmbeddingSettings, Generation
from carteiro.retrieval.document import Document, Version
from carteiro.retrieval.splitter import DEFAULT_MAX_TOKENS, OVERLAP_SHARE, split_document
from carteiro.retrieval.store import DocumentStore
from carteiro.retrieval.stores.sqlite.store import SqliteStore
from tests.quality import corpus

COLLECTION = "velmar"


async def index_corpus(folder: Path, model: EmbeddingModel, documents: Sequence[corpus.Document]) -> DocumentStore:
    """Return an open store in a folder, with the documents in the collection `velmar`."""
    store = SqliteStore(folder / "velmar.db")
    await store.open()
    dimensions = len((await model.embed(["a"])).vectors[0])
    max_tokens = min(DEFAULT_MAX_TOKENS, model.context_tokens or DEFAULT_MAX_TOKENS)
    overlap = int(max_tokens * OVERLAP_SHARE)
    generation = Generation(COLLECTION, EmbeddingSettings(model.name, dimensions, max_tokens, overlap))
    await store.add_generation(generation)
    split = [
        (document, await asyncio.to_thread(split_document, document, model.count_tokens, max_tokens))
        for document in (Document(each.key, each.text, each.title, each.uri, each.fields) for each in documents)
    ]
    # In one call: the model's batches are full.
    texts = [chunk.embedded_text for _, chunks in split for chunk in chunks]
    vectors = iter((await model.embed(texts, input_type="document")).vectors)
    for number, (document, chunks) in enumerate(split):
        rows = [EmbeddedChunk(chunk, next(vectors)) for chunk in chunks]
        await store.write(COLLECTION, document, Version("documents", 0, number), {generation: rows})
    return store
