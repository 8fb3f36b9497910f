"""Records of documents, and what the store has of them."""

import json
from typing import Any

from carteiro.retrieval.collection import Generation
from carteiro.retrieval.stores.sqlite.store import SqliteStore
from tests.provider import Provider
from tests.provider.embeddings import vector
from tests.unit.wire.fake_record import FakeRecord

TOPIC = "llm.index-docs.documents"


def section(number: int, words: str = "river and the ferry") -> str:
    """Return a section that is one chunk by itself."""
    return f"# Part {number}\n\nPart {number} is about the {words}, and ends here.\n\n"


def record(document: dict[str, Any] | bytes | None, offset: int = 5, key: bytes | None = b"k1") -> FakeRecord:
    value = json.dumps(document).encode() if isinstance(document, dict) else document
    return FakeRecord(value, (), key, TOPIC, 2, offset, 1_700_000_000_000 + offset)


async def generation(store: SqliteStore) -> Generation:
    active = (await store.collection("docs")).active
    assert active
    return active


async def chunks(store: SqliteStore, near: str = "anything") -> list[tuple[str, int, str]]:
    """Return the key, the number and the text of all chunks, in order."""
    hits = await store.search_vectors(await generation(store), vector(near), limit=1000)
    return sorted((hit.key, hit.chunk.number, hit.chunk.text) for hit in hits)


def embedded_texts(provider: Provider) -> list[str]:
    """Return the texts that the provider has embedded."""
    return [text for each in provider.requests for text in each.body["input"]]
