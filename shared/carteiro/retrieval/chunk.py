"""Chunks: the parts of a document that are embedded and found."""

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from carteiro.retrieval.collection import Generation
from carteiro.retrieval.document import FieldValue

_NAMESPACE = uuid.UUID("a7a5b9c6-3b9f-5d3c-9d54-6c3f0d0b7f5e")


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a document: `text` is `document.text[start:end]`.

    `number` counts from 0 in the document, `page` from 1. `heading` is the path of the document's title and the
    headings above the part, such as `Contract > Term > Notice`; it may be empty.
    """

    number: int
    start: int
    end: int
    text: str
    heading: str = ""
    page: int | None = None

    @property
    def embedded_text(self) -> str:
        """Text that is embedded and searched by words: the headings and the part."""
        return f"{self.heading}\n{self.text}" if self.heading else self.text

    @property
    def hash(self) -> str:
        """Hash of the embedded text. Chunks of equal hash have equal vectors."""
        return hashlib.blake2b(self.embedded_text.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class EmbeddedChunk:
    """A chunk to store. Without a vector it gets the stored one of a chunk of this document with an equal hash."""

    chunk: Chunk
    vector: Sequence[float] | None


@dataclass(frozen=True, slots=True)
class ChunkHit:
    """A chunk that a search found, and its document without the text. A higher score is better.

    The score of a search by vectors is the cosine similarity, -1 to 1. That of a search by words has no fixed range.
    """

    id: uuid.UUID
    chunk: Chunk
    key: str
    title: str
    uri: str
    fields: Mapping[str, FieldValue]
    score: float


def chunk_id(generation: Generation, key: str, number: int) -> uuid.UUID:
    """Return the identifier of a chunk: equal for equal arguments, in every process."""
    return uuid.uuid5(_NAMESPACE, "\0".join([generation.collection, generation.id, key, str(number)]))
