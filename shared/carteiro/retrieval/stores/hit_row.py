"""A hit from a row of an SQL store."""

from collections.abc import Mapping

from carteiro.retrieval.chunk import Chunk, ChunkHit, chunk_id
from carteiro.retrieval.collection import Generation
from carteiro.retrieval.document import FieldValue


def read_hit(
    generation: Generation,
    score: float,
    number: int,
    start: int,
    end: int,
    text: str,
    heading: str,
    page: int | None,
    key: str,
    title: str,
    uri: str,
    fields: Mapping[str, FieldValue],
) -> ChunkHit:
    """Return a hit from the columns of a chunk and its document."""
    chunk = Chunk(number, start, end, text, heading, page)
    return ChunkHit(chunk_id(generation, key, number), chunk, key, title, uri, fields, float(score))
