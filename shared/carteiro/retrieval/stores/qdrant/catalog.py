"""Collections and generations in Qdrant: points of a collection without vectors."""

from contextlib import suppress
from dataclasses import asdict
from typing import Any

from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse

from carteiro.retrieval.collection import (
    Collection,
    CollectionCounts,
    EmbeddingSettings,
    Generation,
    check_collection_name,
)
from carteiro.retrieval.errors import CollectionUnknown, DocumentStoreInvalid
from carteiro.retrieval.stores.qdrant.connection import CATALOG, chunks_name, documents_name, point_id
from carteiro.retrieval.stores.qdrant.filters import all_of, equals, none_of

DENSE, WORDS = "dense", "words"
"""Names of a chunk's two vectors."""
_PAGE = 256


async def create_catalog(client: AsyncQdrantClient) -> None:
    """Create the list of collections if it is missing."""
    await _create(client, CATALOG, vectors_config={})


async def list_collections(client: AsyncQdrantClient) -> list[Collection]:
    """Return all collections, by name."""
    payloads = await _scroll(client, None)
    names = sorted(each["collection"] for each in payloads if "active" in each)
    return [_collection(name, [each for each in payloads if each["collection"] == name]) for name in names]


async def load_collection(client: AsyncQdrantClient, name: str) -> Collection:
    """Return a collection. Raise `CollectionUnknown`."""
    return _collection(name, await _scroll(client, all_of(equals("collection", name))))


async def add_generation(client: AsyncQdrantClient, generation: Generation) -> Collection:
    """Create a generation, and its collection, unless they exist. The first one of a collection is active."""
    check_collection_name(generation.collection)
    documents, chunks = documents_name(generation.collection), chunks_name(generation)
    await _create(client, documents, vectors_config={})
    await _create(
        client,
        chunks,
        vectors_config={
            DENSE: models.VectorParams(size=generation.embedding.dimensions, distance=models.Distance.COSINE)
        },
        sparse_vectors_config={WORDS: models.SparseVectorParams(modifier=models.Modifier.IDF)},
    )
    keyword = models.PayloadSchemaType.KEYWORD
    for name, fields in ((documents, ("state", "current")), (chunks, ("document", "labels"))):
        for field in fields:
            await client.create_payload_index(name, field, keyword, wait=True)
    payloads = await _scroll(client, all_of(equals("collection", generation.collection)))
    number = max((each.get("number", 0) for each in payloads), default=0) + 1
    points = [
        (_collection_id(generation.collection), {"collection": generation.collection, "active": generation.id}),
        (
            _generation_id(generation),
            {
                "collection": generation.collection,
                "id": generation.id,
                "number": number,
                "settings": asdict(generation.embedding),
            },
        ),
    ]
    await client.upsert(
        CATALOG,
        [models.PointStruct(id=id_, vector={}, payload=payload) for id_, payload in points],
        wait=True,
        ordering=models.WriteOrdering.STRONG,
        update_mode=models.UpdateMode.INSERT_ONLY,
    )
    return await load_collection(client, generation.collection)


async def activate(client: AsyncQdrantClient, generation: Generation) -> None:
    """Make a generation the one that searches use."""
    await check_generation(client, generation)
    await client.set_payload(
        CATALOG,
        {"active": generation.id},
        [_collection_id(generation.collection)],
        wait=True,
        ordering=models.WriteOrdering.STRONG,
    )


async def check_generation(client: AsyncQdrantClient, generation: Generation) -> None:
    """Raise `CollectionUnknown` if a generation is not there."""
    if not await client.retrieve(CATALOG, [_generation_id(generation)], with_payload=False):
        raise CollectionUnknown("the store has no collection of this name with vectors of this model")


async def drop_generation(client: AsyncQdrantClient, generation: Generation) -> None:
    """Delete a generation. Raise `DocumentStoreInvalid` if it is the active one."""
    await check_generation(client, generation)
    if (await load_collection(client, generation.collection)).active == generation:
        raise DocumentStoreInvalid("the generation is in use: activate another one of the collection first")
    documents = documents_name(generation.collection)
    built = all_of(equals("current", generation.id))
    # A document whose builds are still listed would be taken for built in a generation that is created again.
    while (await client.count(documents, built, exact=True)).count:
        points, _ = await client.scroll(documents, built, limit=_PAGE, with_payload=["current"])
        for point in points:
            current = [each for each in (point.payload or {})["current"] if each != generation.id]
            await client.set_payload(documents, {"current": current}, [point.id], wait=True)
    await client.delete(CATALOG, [_generation_id(generation)], wait=True)
    await client.delete_collection(chunks_name(generation))


async def drop_collection(client: AsyncQdrantClient, name: str) -> None:
    """Delete a collection with its documents."""
    collection = await load_collection(client, name)
    await client.delete(CATALOG, models.FilterSelector(filter=all_of(equals("collection", name))), wait=True)
    for generation in collection.generations:
        await client.delete_collection(chunks_name(generation))
    await client.delete_collection(documents_name(name))


async def count(client: AsyncQdrantClient, name: str) -> CollectionCounts:
    """Return the numbers of a collection's documents, chunks and errors."""
    collection, documents = await load_collection(client, name), documents_name(name)
    stored = equals("state", "stored")
    number = (await client.count(documents, all_of(stored), exact=True)).count
    errors = (await client.count(documents, all_of(equals("has_error", value=True)), exact=True)).count
    chunks, outdated = {}, {}
    for generation in collection.generations:
        chunks[generation.id] = (await client.count(chunks_name(generation), exact=True)).count
        missing = none_of(equals("current", generation.id), must=[stored])
        outdated[generation.id] = (await client.count(documents, missing, exact=True)).count
    return CollectionCounts(number, errors, chunks, outdated)


def _collection(name: str, payloads: list[dict[str, Any]]) -> Collection:
    active = next((each["active"] for each in payloads if "active" in each), None)
    if active is None:
        raise CollectionUnknown("the store has no collection of this name")
    listed = sorted((each for each in payloads if "settings" in each), key=lambda each: (each["number"], each["id"]))
    generations = tuple(Generation(name, EmbeddingSettings(**each["settings"])) for each in listed)
    return Collection(name, generations, next((each for each in generations if each.id == active), None))


def _collection_id(name: str) -> str:
    return point_id("collection", name)


def _generation_id(generation: Generation) -> str:
    return point_id("generation", generation.collection, generation.id)


async def _create(client: AsyncQdrantClient, name: str, **options: Any) -> None:
    if not await client.collection_exists(name):
        # Another worker may have created it since.
        with suppress(UnexpectedResponse, ValueError):
            await client.create_collection(name, **options)


async def _scroll(client: AsyncQdrantClient, condition: models.Filter | None) -> list[dict[str, Any]]:
    payloads: list[dict[str, Any]] = []
    offset: Any = None
    while True:
        points, offset = await client.scroll(CATALOG, condition, limit=_PAGE, offset=offset, with_payload=True)
        payloads += [point.payload or {} for point in points]
        if offset is None:
            return payloads
