"""Documents and vectors of tests: small, and different by their numbers."""

import math

from carteiro.retrieval.chunk import Chunk, EmbeddedChunk
from carteiro.retrieval.collection import EmbeddingSettings, Generation
from carteiro.retrieval.document import Document, Version

OLD = Generation("handbook", EmbeddingSettings("local:minilm", 4, 256, 38))
NEW = Generation("handbook", EmbeddingSettings("openai:text-embedding-3-small", 3, 512, 76))


def version(offset: int, *, partition: int = 0, topic: str = "docs", timestamp: int | None = None) -> Version:
    return Version(topic, partition, offset, 1_000_000 + offset if timestamp is None else timestamp)


def document(key: str = "k1", text: str = "Notice is 30 days. Leave is 25 days.", **fields) -> Document:
    return Document(key, text, f"Title of {key[:99]}", f"https://example.org/{len(key)}", fields, (0, len(text) // 2))


def direction(angle: float, dimensions: int = 4) -> list[float]:
    """Return a vector of length 1 with an angle, in degrees, to that of angle 0."""
    radians = math.radians(angle)
    return [math.cos(radians), math.sin(radians), *[0.0] * (dimensions - 2)]


def embedded(of: Document, *angles: float | None, dimensions: int = 4) -> list[EmbeddedChunk]:
    """Return equally long chunks of a document, each with a vector of an angle, or without."""
    size = -(-len(of.text) // max(len(angles), 1))
    chunks = []
    for number, angle in enumerate(angles):
        start, end = number * size, min((number + 1) * size, len(of.text))
        chunk = Chunk(number, start, end, of.text[start:end], f"Heading {number}", of.page_at(start))
        chunks.append(EmbeddedChunk(chunk, None if angle is None else direction(angle, dimensions)))
    return chunks


async def fill(store, *documents: Document, generation: Generation = OLD) -> None:
    """Write documents with one chunk each, at angles of 0, 10, 20 ... degrees."""
    await store.add_generation(generation)
    for number, each in enumerate(documents):
        chunks = {generation: embedded(each, 10.0 * number, dimensions=generation.embedding.dimensions)}
        assert await store.write(generation.collection, each, version(number), chunks)


async def found(store, angle: float = 0, generation: Generation = OLD, **options) -> list[tuple[str, int]]:
    """Return the key and the number of the chunks that are nearest to an angle."""
    vector = direction(angle, generation.embedding.dimensions)
    return [(hit.key, hit.chunk.number) for hit in await store.search_vectors(generation, vector, **options)]


async def found_words(store, query: str, generation: Generation = OLD, **options) -> list[str]:
    """Return the keys of the documents with words of a query."""
    return [hit.key for hit in await store.search_words(generation, query, **options)]


async def listed(store, **options) -> list[str]:
    """Return the keys of all documents of a collection, read page by page."""
    keys: list[str] = []
    while page := await store.documents("handbook", after=keys[-1] if keys else "", **options):
        keys += [each.document.key for each in page]
    return keys
