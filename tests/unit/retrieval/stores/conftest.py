from collections.abc import AsyncIterator, Callable

import psycopg
import pytest
import pytest_asyncio
from qdrant_client import AsyncQdrantClient

from carteiro.retrieval.store import DocumentStore
from carteiro.retrieval.stores.postgres.store import PostgresStore
from carteiro.retrieval.stores.qdrant.store import QdrantStore
from carteiro.retrieval.stores.sqlite.store import SqliteStore


@pytest.fixture
def postgres_url(postgres_server) -> str:
    """Return the address of a PostgreSQL without a store's tables, or with empty ones, which are there sooner."""
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'carteiro'").fetchall()
        names = [f"carteiro.{name}" for (name,) in tables if name != "version"]
        if len(names) == len(tables) or not names:
            connection.execute("DROP SCHEMA IF EXISTS carteiro CASCADE")
        else:
            chunks = [name for name in names if ".chunks_" in name]
            connection.execute(f"TRUNCATE {', '.join(names)} RESTART IDENTITY")
            connection.execute(f"DROP TABLE {', '.join(chunks)}" if chunks else "SELECT 1")
    return postgres_server


@pytest.fixture(params=["sqlite", "postgres", "qdrant"])
def make_store(request, tmp_path) -> Callable[[], DocumentStore]:
    """Return a function that makes stores of the same empty contents: as many as a test has workers."""
    if request.param == "sqlite":
        return lambda: SqliteStore(tmp_path / "documents.sqlite")
    if request.param == "qdrant":
        client = AsyncQdrantClient(":memory:")
        return lambda: QdrantStore(client, is_server=False)
    url = request.getfixturevalue("postgres_url")
    return lambda: PostgresStore(url)


@pytest_asyncio.fixture
async def store(make_store) -> AsyncIterator[DocumentStore]:
    store = make_store()
    await store.open()
    yield store
    await store.close()
