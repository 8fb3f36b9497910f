"""Chunks in Qdrant, with a dense vector, and with their words as a sparse one."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from qdrant_client import AsyncQdrantClient, models

from carteiro.retrieval.chunk import Chunk, EmbeddedChunk
from carteiro.retrieval.collection import Generation
from carteiro.retrieval.errors import VectorMissing
from carteiro.retrieval.stores.qdrant.catalog import DENSE, WORDS
from carteiro.retrieval.stores.qdrant.connection import chunks_name, point_id
from carteiro.retrieval.stores.qdrant.filters import all_of, below, equals
from carteiro.retrieval.stores.validation import unit_vector
from carteiro.retrieval.words import words_of

_BATCH = 64
_SATURATION, _LENGTH_SHARE, _MEAN_WORDS = 1.2, 0.75, 128
"""`k1` and `b` of BM25, and the length of a chunk that it takes for the mean. Qdrant adds the inverse frequency."""


async def chunks_to_add(
    client: AsyncQdrantClient,
    generation: Generation,
    key: str,
    stored: Mapping[str, Any] | None,
    embedded: Sequence[EmbeddedChunk],
) -> list[tuple[Chunk, list[float]]]:
    """Return chunks with their vectors; missing ones are read. Raise `VectorMissing`."""
    vectors: dict[str, list[float]] = {}
    if any(each.vector is None for each in embedded):
        number = (stored or {"builds": {}})["builds"].get(generation.id, 0)
        vectors = await _load_vectors(client, generation, key, number)
    try:
        return [
            (each.chunk, unit_vector(each.vector) if each.vector is not None else vectors[each.chunk.hash])
            for each in embedded
        ]
    except KeyError:
        raise VectorMissing("a chunk has no vector, here or in the store") from None


async def _load_vectors(
    client: AsyncQdrantClient, generation: Generation, key: str, number: int
) -> dict[str, list[float]]:
    vectors: dict[str, list[float]] = {}
    offset: Any = None
    while True:
        points, offset = await client.scroll(
            chunks_name(generation),
            all_of(equals("document", key), equals("claim", number)),
            limit=_BATCH,
            offset=offset,
            with_payload=["hash"],
            with_vectors=[DENSE],
        )
        for point in points:
            assert isinstance(point.vector, dict)
            vectors[(point.payload or {})["hash"]] = point.vector[DENSE]  # type: ignore[assignment]
        if offset is None:
            return vectors


async def load_hashes(client: AsyncQdrantClient, generation: Generation, key: str, number: int) -> frozenset[str]:
    """Return the hashes of a document's chunks that count in a generation."""
    return frozenset(await _load_vectors(client, generation, key, number))


async def add_chunks(
    client: AsyncQdrantClient,
    generation: Generation,
    key: str,
    claim: int,
    labels: list[str],
    chunks: Sequence[tuple[Chunk, list[float]]],
) -> None:
    """Add chunks under a claim. They are not found before it is committed."""
    for start in range(0, len(chunks), _BATCH):
        points = await asyncio.to_thread(_points, key, claim, labels, chunks[start : start + _BATCH])
        await client.upsert(chunks_name(generation), points, wait=True)


def _points(
    key: str, claim: int, labels: list[str], chunks: Sequence[tuple[Chunk, list[float]]]
) -> list[models.PointStruct]:
    return [
        models.PointStruct(
            id=point_id("chunk", key, claim, chunk.number),
            vector={DENSE: vector, WORDS: sparse_words(words_of(chunk.embedded_text))},
            payload={"document": key, "claim": claim, "labels": labels, "hash": chunk.hash} | asdict(chunk),
        )
        for chunk, vector in chunks
    ]


async def set_labels(client: AsyncQdrantClient, generation: Generation, key: str, labels: list[str]) -> None:
    """Let the chunks of a document's earlier version be found by its new fields."""
    await client.set_payload(chunks_name(generation), {"labels": labels}, all_of(equals("document", key)), wait=True)


async def delete_chunks(client: AsyncQdrantClient, generation: Generation, key: str, claim: int) -> None:
    """Delete a document's chunks of earlier claims."""
    earlier = all_of(equals("document", key), below("claim", claim))
    await client.delete(chunks_name(generation), models.FilterSelector(filter=earlier), wait=True)


def sparse_words(words: Sequence[str]) -> models.SparseVector:
    """Return the words of a chunk with their weights by BM25 but for the inverse document frequency."""
    normalizer = _SATURATION * (1 - _LENGTH_SHARE + _LENGTH_SHARE * len(words) / _MEAN_WORDS)
    weights: dict[int, float] = {}
    for word, number in Counter(words).items():
        weights[word_index(word)] = number * (_SATURATION + 1) / (number + normalizer)
    return models.SparseVector(indices=list(weights), values=list(weights.values()))


def word_index(word: str) -> int:
    """Return the number of a word, of 32 bits. Two words may have the same, but rarely."""
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=4).digest())
