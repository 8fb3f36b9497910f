"""Collections of documents, and their generations: the same documents as different embedding models see them."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import astuple, dataclass

from carteiro.retrieval.errors import DocumentStoreInvalid

MAX_DIMENSIONS = 4096
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class EmbeddingSettings:
    """The model of a generation, the length of its vectors, and the size of its chunks in tokens of that model."""

    model: str
    dimensions: int
    max_tokens: int
    overlap_tokens: int

    def __post_init__(self) -> None:
        """Raise `DocumentStoreInvalid` for vectors that no store keeps."""
        if not 0 < self.dimensions <= MAX_DIMENSIONS:
            raise DocumentStoreInvalid(
                f"vectors of {self.model[:200]} have {self.dimensions} dimensions: a store keeps 1 to {MAX_DIMENSIONS}"
            )


@dataclass(frozen=True, slots=True)
class Generation:
    """Chunks and vectors of a collection's documents by one embedding model."""

    collection: str
    embedding: EmbeddingSettings

    @property
    def id(self) -> str:
        """Name of the generation in its collection: equal for equal settings."""
        settings = json.dumps(astuple(self.embedding), ensure_ascii=True)
        return hashlib.blake2b(settings.encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection and its generations. Searches use the active one; the others are built, or will be dropped."""

    name: str
    generations: tuple[Generation, ...]
    active: Generation | None
    """None until the collection has a generation."""


@dataclass(frozen=True, slots=True)
class CollectionCounts:
    """Numbers of documents, of documents with an error, and of chunks by the generation's `id`."""

    documents: int
    errors: int
    chunks: Mapping[str, int]
    outdated: Mapping[str, int]
    """Documents whose stored version is not yet in a generation, by the generation's `id`."""


def check_collection_name(name: str) -> None:
    """Raise `DocumentStoreInvalid` if a text cannot be the name of a collection."""
    if not _NAME.fullmatch(name):
        raise DocumentStoreInvalid(
            "the name of a collection has 1 to 63 of the characters a-z 0-9 _ - and begins with a letter or a digit"
        )
