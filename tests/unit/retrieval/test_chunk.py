import dataclasses

from carteiro.retrieval.chunk import Chunk, chunk_id
from carteiro.retrieval.collection import EmbeddingSettings, Generation

GENERATION = Generation("handbook", EmbeddingSettings("local:minilm", 384, 256, 38))


def test_hash_is_of_the_text_that_is_embedded():
    chunk = Chunk(0, 0, 4, "text", "Title > Part")
    assert dataclasses.replace(chunk, number=3, start=10, end=14, page=2).hash == chunk.hash
    assert dataclasses.replace(chunk, heading="Title").hash != chunk.hash
    assert dataclasses.replace(chunk, text="other").hash != chunk.hash


def test_id_of_a_chunk_differs_by_each_of_its_parts():
    parts = [(GENERATION, "key", 1), (GENERATION, "key", 2), (GENERATION, "key1", 1)]
    parts.append((dataclasses.replace(GENERATION, collection="other"), "key", 1))
    assert len({chunk_id(*each) for each in parts}) == len(parts)
    assert chunk_id(GENERATION, "key", 1) == chunk_id(dataclasses.replace(GENERATION), "key", 1)
