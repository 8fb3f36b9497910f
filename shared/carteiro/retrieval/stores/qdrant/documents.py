"""Documents in Qdrant: claims, versions and errors."""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from qdrant_client import AsyncQdrantClient, models

from carteiro.retrieval.chunk import EmbeddedChunk
from carteiro.retrieval.collection import Generation
from carteiro.retrieval.document import Document, DocumentError, StoredDocument, Version, check_key
from carteiro.retrieval.errors import DocumentInvalid, DocumentStoreUnavailable
from carteiro.retrieval.field_filter import field_labels
from carteiro.retrieval.stores.qdrant.catalog import check_generation, load_collection
from carteiro.retrieval.stores.qdrant.chunks import add_chunks, chunks_to_add, delete_chunks, set_labels
from carteiro.retrieval.stores.qdrant.connection import documents_name, point_id
from carteiro.retrieval.stores.qdrant.filters import all_of, equals, is_point, none_of

_STRONG = models.WriteOrdering.STRONG
_MAX_TEXT_BYTES = 16 * 1024 * 1024
"""Largest text of a document: Qdrant takes requests of up to 32 MiB."""

_MAX_DOCUMENTS = 4
"""Documents that are read at a time, as their texts may be of that size."""


@dataclass(frozen=True, slots=True)
class _Claim:
    """A document's point that this writer has claimed, and what it had before."""

    point: str
    token: str
    number: int
    payload: Mapping[str, Any]

    @property
    def builds(self) -> dict[str, int]:
        """Number of the chunks that count, by the generation's id."""
        return dict(self.payload["builds"])


async def load_point(client: AsyncQdrantClient, collection: str, key: str) -> dict[str, Any] | None:
    """Return the payload of a document's point; None if it is not there. Raise `CollectionUnknown`."""
    found = await client.retrieve(documents_name(collection), [point_id("document", key)], with_payload=True)
    return (found[0].payload or {}) if found else None


def version_of(payload: Mapping[str, Any] | None) -> Version | None:
    """Return the version of a document, or of its deletion; None if it was never written."""
    # The server may leave out a field without a value.
    return Version(**payload["version"]) if payload and payload.get("version") else None


async def write_document(
    client: AsyncQdrantClient,
    collection: str,
    document: Document,
    version: Version,
    chunks: Mapping[Generation, Sequence[EmbeddedChunk]],
) -> bool:
    """Replace a document and its chunks in generations. Return False if the stored version is newer."""
    if len(document.text.encode()) > _MAX_TEXT_BYTES:
        raise DocumentInvalid(f"text: is larger than {_MAX_TEXT_BYTES // 2**20} MiB, the limit of a store in Qdrant")
    for generation in chunks:
        await check_generation(client, generation)
    stored = await load_point(client, collection, document.key)
    if (stored_version := version_of(stored)) and not version.supersedes(stored_version):
        return False
    # Vectors that are kept are read before anything is changed.
    points = {each: await chunks_to_add(client, each, document.key, stored, chunks[each]) for each in chunks}
    claim = await _claim(client, collection, document.key, stored)
    labels, builds = field_labels(document.fields), claim.builds
    for generation, added in points.items():
        await add_chunks(client, generation, document.key, claim.number, labels, added)
        builds[generation.id] = claim.number
    others = [each for each in (await load_collection(client, collection)).generations if each not in chunks]
    for generation in others:
        await set_labels(client, generation, document.key, labels)
    await _commit(
        client,
        collection,
        claim,
        {
            "state": "stored",
            "version": asdict(version),
            "title": document.title,
            "uri": document.uri,
            "fields": dict(document.fields),
            "labels": labels,
            "page_starts": list(document.page_starts),
            "text": document.text,
            "builds": builds,
            "current": [each.id for each in chunks],
            "has_error": False,
            "error": None,
        },
    )
    for generation in chunks:
        await delete_chunks(client, generation, document.key, claim.number)
    return True


async def build_document(
    client: AsyncQdrantClient, generation: Generation, stored: StoredDocument, chunks: Sequence[EmbeddedChunk]
) -> bool:
    """Replace a document's chunks in a generation. Return False if the document has another version, or is deleted."""
    await check_generation(client, generation)
    collection, key = generation.collection, stored.document.key
    payload = await load_point(client, collection, key)
    if payload is None or payload["state"] != "stored" or version_of(payload) != stored.version:
        return False
    points = await chunks_to_add(client, generation, key, payload, chunks)
    claim = await _claim(client, collection, key, payload)
    await add_chunks(client, generation, key, claim.number, payload["labels"], points)
    current = [*(each for each in payload["current"] if each != generation.id), generation.id]
    builds = claim.builds | {generation.id: claim.number}
    await _commit(client, collection, claim, {"builds": builds, "current": current})
    await delete_chunks(client, generation, key, claim.number)
    return True


async def delete_document(client: AsyncQdrantClient, collection: str, key: str, version: Version) -> bool:
    """Delete a document with all that belongs to it but its version. Return False if the stored version is newer."""
    check_key(key)
    stored = await load_point(client, collection, key)
    if (stored_version := version_of(stored)) and not version.supersedes(stored_version):
        return False
    claim = await _claim(client, collection, key, stored)
    await _commit(
        client, collection, claim, {**_empty(key), "state": "deleted", "version": asdict(version), "token": claim.token}
    )
    for generation in (await load_collection(client, collection)).generations:
        await delete_chunks(client, generation, key, claim.number)
    return True


async def note_error(client: AsyncQdrantClient, collection: str, error: DocumentError) -> bool:
    """Keep the error of a document. Return False if the stored version is newer."""
    stored = await load_point(client, collection, error.key)
    noted = stored.get("error") if stored else None
    known = [version_of(stored), Version(**noted["version"]) if noted else None]
    if not all(error.version.supersedes(each) for each in known if each is not None):
        return False
    claim = await _claim(client, collection, error.key, stored)
    payload = {"version": asdict(error.version), "code": error.code, "message": error.message}
    await _commit(client, collection, claim, {"has_error": True, "error": payload})
    return True


async def load_documents(
    client: AsyncQdrantClient, collection: str, after: str, limit: int, outdated_in: Generation | None
) -> list[StoredDocument]:
    """Return documents in the order of their points, without those whose version is in the generation."""
    if outdated_in is not None:
        await check_generation(client, outdated_in)
    excluded = [equals("current", outdated_in.id)] if outdated_in else []
    condition = none_of(*excluded, must=[equals("state", "stored")])
    payloads = await _page(client, collection, after, min(limit, _MAX_DOCUMENTS), condition)
    return await asyncio.to_thread(lambda: list(map(stored_document, payloads)))


async def load_errors(client: AsyncQdrantClient, collection: str, after: str, limit: int) -> list[DocumentError]:
    """Return errors in the order of the documents' points."""
    payloads = await _page(client, collection, after, limit, all_of(equals("has_error", value=True)))
    errors = ((each["key"], each["error"]) for each in payloads)
    return [DocumentError(key, Version(**each["version"]), each["code"], each["message"]) for key, each in errors]


async def _page(
    client: AsyncQdrantClient, collection: str, after: str, limit: int, condition: models.Filter
) -> list[dict[str, Any]]:
    offset = point_id("document", after) if after else None
    points, _ = await client.scroll(
        documents_name(collection), condition, limit=limit + 1, offset=offset, with_payload=True
    )
    # The page begins with the point of `after`, if that still fits.
    payloads = [point.payload or {} for point in points if str(point.id) != offset]
    return payloads[:limit]


def stored_document(payload: Mapping[str, Any]) -> StoredDocument:
    """Return the document of a point."""
    return StoredDocument(
        Document(
            payload["key"],
            payload["text"],
            payload["title"],
            payload["uri"],
            payload["fields"],
            tuple(payload["page_starts"]),
        ),
        Version(**payload["version"]),
    )


def _empty(key: str) -> dict[str, Any]:
    return {
        "key": key,
        "state": "new",
        "version": None,
        "title": "",
        "uri": "",
        "fields": {},
        "labels": [],
        "page_starts": [],
        "text": "",
        "builds": {},
        "current": [],
        "has_error": False,
        "error": None,
    }


async def _claim(client: AsyncQdrantClient, collection: str, key: str, stored: Mapping[str, Any] | None) -> _Claim:
    """Claim a document as it was read. Raise `DocumentStoreUnavailable` if another writer has claimed it since."""
    name, point, token = documents_name(collection), point_id("document", key), uuid.uuid4().hex
    if stored is None:
        await client.upsert(
            name,
            [models.PointStruct(id=point, vector={}, payload=_empty(key) | {"claim": 0, "token": ""})],
            wait=True,
            ordering=_STRONG,
            update_mode=models.UpdateMode.INSERT_ONLY,
        )
        stored = _empty(key) | {"claim": 0}
    number = int(stored["claim"]) + 1
    await client.set_payload(
        name,
        {"claim": number, "token": token},
        all_of(is_point(point), equals("claim", number - 1)),
        wait=True,
        ordering=_STRONG,
    )
    claim = _Claim(point, token, number, stored)
    await _check_claim(client, name, claim)
    return claim


async def _commit(client: AsyncQdrantClient, collection: str, claim: _Claim, payload: dict[str, Any]) -> None:
    """Make what was written under a claim count. Raise `DocumentStoreUnavailable` if another writer has claimed."""
    name, mine = documents_name(collection), all_of(is_point(claim.point), equals("token", claim.token))
    await client.set_payload(name, payload, mine, wait=True, ordering=_STRONG)
    await _check_claim(client, name, claim)


async def _check_claim(client: AsyncQdrantClient, name: str, claim: _Claim) -> None:
    found = await client.retrieve(
        name, [claim.point], with_payload=["token"], consistency=models.ReadConsistencyType.MAJORITY
    )
    if not found or (found[0].payload or {}).get("token") != claim.token:
        raise DocumentStoreUnavailable("another worker writes the same document")
