"""Searches by vectors and by words in Qdrant."""

from collections.abc import Sequence
from typing import Any

from qdrant_client import AsyncQdrantClient, models

from carteiro.retrieval.chunk import Chunk, ChunkHit, chunk_id
from carteiro.retrieval.collection import Generation
from carteiro.retrieval.stores.qdrant.catalog import DENSE, WORDS, check_generation
from carteiro.retrieval.stores.qdrant.chunks import word_index
from carteiro.retrieval.stores.qdrant.connection import chunks_name, documents_name, point_id
from carteiro.retrieval.stores.qdrant.filters import all_of, any_of

_SPARE_CANDIDATES = 16
_MAX_CANDIDATES = 16_384
_DOCUMENT_FIELDS = ["key", "state", "title", "uri", "fields", "labels", "builds"]


async def search_vectors(
    client: AsyncQdrantClient, generation: Generation, vector: list[float], labels: list[list[str]], limit: int
) -> list[ChunkHit]:
    """Return the chunks that are nearest to a vector. Raise `CollectionUnknown`."""
    return await _search(client, generation, vector, DENSE, labels, limit)


async def search_words(
    client: AsyncQdrantClient, generation: Generation, words: Sequence[str], labels: list[list[str]], limit: int
) -> list[ChunkHit]:
    """Return the chunks with words of a query, by BM25. Raise `CollectionUnknown`."""
    if not words:
        await check_generation(client, generation)
        return []
    indices = list(dict.fromkeys(map(word_index, words)))
    query = models.SparseVector(indices=indices, values=[1.0] * len(indices))
    return await _search(client, generation, query, WORDS, labels, limit)


async def _search(
    client: AsyncQdrantClient,
    generation: Generation,
    query: list[float] | models.SparseVector,
    using: str,
    labels: list[list[str]],
    limit: int,
) -> list[ChunkHit]:
    """Search with more candidates until enough of them belong to documents' stored versions."""
    count = 2 * limit + _SPARE_CANDIDATES
    condition = all_of(*(any_of("labels", each) for each in labels)) if labels else None
    while True:
        response = await client.query_points(
            chunks_name(generation), query=query, using=using, query_filter=condition, limit=count, with_payload=True
        )
        hits = await _current_hits(client, generation, response.points, labels)
        if len(hits) >= limit or len(response.points) < count or count >= _MAX_CANDIDATES:
            return hits[:limit]
        count *= 4


async def _current_hits(
    client: AsyncQdrantClient, generation: Generation, points: list[models.ScoredPoint], labels: list[list[str]]
) -> list[ChunkHit]:
    keys = {(point.payload or {})["document"] for point in points}
    if not keys:
        return []
    documents: dict[str, dict[str, Any]] = {}
    for found in await client.retrieve(
        documents_name(generation.collection),
        [point_id("document", key) for key in keys],
        with_payload=_DOCUMENT_FIELDS,
    ):
        payload = found.payload or {}
        documents[payload["key"]] = payload
    hits = []
    for point in points:
        chunk = dict(point.payload or {})
        document = documents.get(chunk["document"])
        if document is None or document["builds"].get(generation.id) != chunk["claim"]:
            continue
        # The chunk's labels may be those of a version that is being written.
        if all(set(each) & set(document["labels"]) for each in labels):
            hits.append(_hit(generation, chunk, document, point.score))
    return sorted(hits, key=lambda hit: (-hit.score, hit.key, hit.chunk.number))


def _hit(generation: Generation, chunk: dict[str, Any], document: dict[str, Any], score: float) -> ChunkHit:
    found = Chunk(chunk["number"], chunk["start"], chunk["end"], chunk["text"], chunk["heading"], chunk["page"])
    key = document["key"]
    return ChunkHit(
        chunk_id(generation, key, found.number),
        found,
        key,
        document["title"],
        document["uri"],
        document["fields"],
        score,
    )
