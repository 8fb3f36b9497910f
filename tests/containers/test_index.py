"""Documents that change while workers are killed and the store goes away: it has their last versions, once."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from urllib.parse import quote

import psycopg
import pytest
import pytest_asyncio
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from carteiro.retrieval.errors import CollectionUnknown
from carteiro.retrieval.stores.postgres.store import PostgresStore
from tests.broker.raw_kafka_client import RawKafkaClient
from tests.broker.worker_process import WorkerProcess
from tests.conftest import eventually, eventually_true
from tests.containers.cluster import SESSION_SECONDS
from tests.containers.conftest import ApacheKafka
from tests.provider import Provider
from tests.provider.embeddings import vector

pytestmark = [pytest.mark.containers, pytest.mark.timeout(280)]

TOPIC, DEAD = "llm.index-docs.documents", "llm.index-docs.dead"
DATABASE = "documents"
_KEYS = 40


@pytest.fixture
def database(postgres_server: str) -> str:
    """A database of its own, which can refuse connections."""
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {DATABASE}")
    base, _, query = postgres_server.partition("?")
    return f"{base.rpartition('/')[0]}/{quote(DATABASE)}" + (f"?{query}" if query else "")


def allow_connections(server: str, allowed: bool) -> None:
    """Let the database take connections, or end those that it has and refuse others."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {DATABASE} ALLOW_CONNECTIONS {str(allowed).lower()}")
        if not allowed:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [DATABASE])


@pytest_asyncio.fixture
async def topics(kafka: ApacheKafka) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.address)
    await admin.start()
    await admin.create_topics([NewTopic(TOPIC, 4, 1), NewTopic(DEAD, 1, 1)])
    await admin.close()


@pytest_asyncio.fixture
async def provider() -> AsyncIterator[Provider]:
    async with Provider() as provider:
        yield provider


def parts_of(key: str, number: int, chance: random.Random) -> list[str]:
    return [f"# Part {part}\n\nRiver {part} of {key}" + chance.choice(["", f" at {number}"]) for part in range(3)]


async def change_documents(peer: RawKafkaClient, expected: dict[str, list[str]], ended: asyncio.Event) -> None:
    """Send changes and deletions at random until `ended`. `expected` gets the chunks of the last versions."""
    chance = random.Random(5)
    number = 0
    while not ended.is_set():
        number += 1
        key = f"k{chance.randrange(_KEYS)}"
        if chance.random() < 0.15:
            expected.pop(key, None)
            await peer.send(TOPIC, None, key=key.encode())
        else:
            expected[key] = parts_of(key, number, chance)
            await peer.send(TOPIC, json.dumps({"text": "\n\n".join(expected[key])}).encode(), key=key.encode())
        await asyncio.sleep(0.02)  # a change for each key a second is enough


async def stored(store: PostgresStore) -> dict[str, list[str]]:
    try:
        active = (await store.collection("docs")).active
    except CollectionUnknown:
        return {}
    assert active
    hits = await store.search_vectors(active, vector("anything"), limit=1000)
    found: dict[str, list[str]] = {}
    for hit in sorted(hits, key=lambda hit: (hit.key, hit.chunk.number)):
        found.setdefault(hit.key, []).append(hit.chunk.text)
    return found


@pytest.mark.parametrize("kills", [1, pytest.param(6, marks=pytest.mark.long)])
async def test_store_has_the_last_versions_once_after_kills_and_an_outage(
    kafka: ApacheKafka, topics: None, provider: Provider, postgres_server: str, database: str, kills: int
) -> None:
    settings = {
        "CARTEIRO_BOOTSTRAP_SERVERS": kafka.address,
        "CARTEIRO_DELIVERY": "exactly_once",
        "CARTEIRO_COLLECTIONS": "docs",
        "CARTEIRO_STORE": database,
        "CARTEIRO_INDEX_MODEL": f"{provider.url}#vectors",
        "CARTEIRO_INDEX_CHUNK_TOKENS": "32",
        "CARTEIRO_SESSION_TIMEOUT_SECONDS": str(SESSION_SECONDS),
    }
    expected: dict[str, list[str]] = {}
    store = PostgresStore(database)
    await store.open()
    workers = [WorkerProcess("index", **settings) for _ in range(2)]
    try:
        async with RawKafkaClient(kafka.address, DEAD, "read_committed") as peer:
            await eventually(lambda: all(worker.ready() for worker in workers))
            changes = asyncio.create_task(change_documents(peer, expected, ended := asyncio.Event()))
            for number in range(kills):
                before = len(provider.requests)
                await eventually(lambda count=before: len(provider.requests) > count + 10)
                workers[number % 2].kill()
                workers[number % 2] = WorkerProcess("index", **settings)
                await eventually(workers[number % 2].ready)
            allow_connections(postgres_server, False)
            is_away = "the store of documents is away; no documents are taken until it is back"
            await eventually(lambda: any(worker.find_log_line(is_away) for worker in workers))
            ended.set()
            await changes
            allow_connections(postgres_server, True)

            async def is_complete() -> bool:
                return await stored(store) == expected

            await eventually_true(is_complete)
            assert peer.records == []
        assert await store.errors("docs") == []
        counts = await store.counts("docs")
        assert list(counts.chunks.values()) == [3 * len(expected)]
        assert all(not worker.has_exited() for worker in workers)
    finally:
        for worker in workers:
            worker.__exit__()
        await store.close()
