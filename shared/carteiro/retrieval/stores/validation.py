"""Checks of what a store is given, equal for all stores."""

import math
from collections.abc import Mapping, Sequence

from carteiro.retrieval.chunk import EmbeddedChunk
from carteiro.retrieval.collection import Generation
from carteiro.retrieval.document import MAX_TEXT_CHARACTERS, UNSTORABLE, DocumentError, Version, check_key
from carteiro.retrieval.errors import DocumentInvalid, SearchInvalid
from carteiro.retrieval.store import MAX_HITS

MAX_CHUNKS = 1_000_000
_MAX_ERROR_CHARACTERS = 1000


def unit_vector(vector: Sequence[float]) -> list[float]:
    """Return a vector scaled to length 1; zeros stay zeros. Raise `ValueError` if a number is not finite."""
    length = math.hypot(*vector)
    if not math.isfinite(length):
        raise ValueError("a vector has a number that is not finite")
    return [value / length for value in vector] if length else list(vector)


def check_chunks(collection: str, chunks: Mapping[Generation, Sequence[EmbeddedChunk]]) -> None:
    """Raise `DocumentInvalid` if chunks cannot be stored in their generations."""
    for generation, embedded in chunks.items():
        if generation.collection != collection:
            raise DocumentInvalid("chunks: their generation is of another collection than the document")
        if len(embedded) > MAX_CHUNKS:
            raise DocumentInvalid(f"chunks: {len(embedded)} are more than {MAX_CHUNKS}")
        if [each.chunk.number for each in embedded] != list(range(len(embedded))):
            raise DocumentInvalid("chunks: are not numbered from 0")
        if sum(len(each.chunk.embedded_text) for each in embedded) > 4 * MAX_TEXT_CHARACTERS:
            raise DocumentInvalid(f"chunks: have together more than {4 * MAX_TEXT_CHARACTERS} characters")
        if any(UNSTORABLE.search(each.chunk.embedded_text) for each in embedded):
            raise DocumentInvalid("chunks: a text has a character that no store keeps")
        for each in embedded:
            _check_vector(generation, each)


def storable_error(key: str, version: Version, code: str, message: str) -> DocumentError:
    """Return an error that a store keeps: it is cut, and has no characters that no store keeps."""
    check_key(key)
    code, message = (UNSTORABLE.sub("\ufffd", each)[:_MAX_ERROR_CHARACTERS] for each in (code, message))
    return DocumentError(key, version, code, message)


def _check_vector(generation: Generation, embedded: EmbeddedChunk) -> None:
    if embedded.vector is None:
        return
    if len(embedded.vector) != generation.embedding.dimensions:
        raise DocumentInvalid(
            f"chunks: a vector has {len(embedded.vector)} numbers, and the collection's have "
            f"{generation.embedding.dimensions}"
        )
    if not all(map(math.isfinite, embedded.vector)):
        raise DocumentInvalid("chunks: a vector has a number that is not finite")


def check_query_vector(generation: Generation, vector: Sequence[float]) -> list[float]:
    """Return the vector scaled to length 1. Raise `SearchInvalid` if the generation has others."""
    if len(vector) != generation.embedding.dimensions:
        raise SearchInvalid(
            f"the query's vector has {len(vector)} numbers, and the collection's have {generation.embedding.dimensions}"
        )
    try:
        return unit_vector(vector)
    except ValueError as error:
        raise SearchInvalid(f"the query's vector: {error}") from None


def check_limit(limit: int) -> None:
    """Raise `SearchInvalid` if a search cannot return so many hits."""
    if not 1 <= limit <= MAX_HITS:
        raise SearchInvalid(f"limit: {limit} is not from 1 to {MAX_HITS}")
