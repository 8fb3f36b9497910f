"""A PostgreSQL that is away, hangs, comes back, or has other tables."""

import asyncio
import contextlib

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from carteiro.retrieval.document import StoredDocument
from carteiro.retrieval.errors import DocumentInvalid, DocumentStoreInvalid, DocumentStoreUnavailable
from carteiro.retrieval.stores.postgres import database
from carteiro.retrieval.stores.postgres.store import PostgresStore
from tests.unit.retrieval.stores.samples import OLD, document, embedded, fill, found, version


class Proxy:
    """A proxy of the server. While it is silent, a new connection, such as that which cancels a query, ends all."""

    def __init__(self, server_url: str) -> None:
        self._socket = f"{conninfo_to_dict(server_url)['host']}/.s.PGSQL.5432"
        self.forwards = asyncio.Event()
        self.forwards.set()
        self._tasks: set[asyncio.Task] = set()

    async def __aenter__(self) -> "Proxy":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1")
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"postgresql://postgres:secret@127.0.0.1:{port}/postgres"
        return self

    async def __aexit__(self, *_) -> None:
        self._server.close()
        self._cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _cancel(self) -> None:
        for each in self._tasks:
            each.cancel()

    async def _serve(self, reader, writer) -> None:
        if not self.forwards.is_set():
            writer.close()
            self._cancel()
            return
        server_reader, server_writer = await asyncio.open_unix_connection(self._socket)
        for pair in ((reader, server_writer), (server_reader, writer)):
            self._tasks.add(asyncio.create_task(self._copy(*pair)))

    async def _copy(self, reader, writer) -> None:
        with contextlib.closing(writer):
            while data := await reader.read(65536):
                await self.forwards.wait()
                writer.write(data)


async def test_server_that_is_away_is_unavailable(monkeypatch):
    monkeypatch.setattr(database, "_CONNECT_SECONDS", 1)
    store = PostgresStore("postgresql://postgres:secret@127.0.0.1:1/postgres")
    with pytest.raises(DocumentStoreUnavailable, match="cannot be reached") as away:
        await store.open()
    assert "secret" not in str(away.value)
    await store.close()


@pytest.mark.parametrize(
    "work",
    [
        lambda store: store.write("handbook", document(), version(9), {OLD: embedded(document(), 0)}),
        lambda store: store.delete("handbook", "k1", version(9)),
    ],
    ids=["write", "delete"],
)
async def test_silent_server_is_unavailable_and_serves_again(postgres_url, monkeypatch, work):
    async with Proxy(postgres_url) as proxy:
        store = PostgresStore(proxy.url)
        await store.open()
        await fill(store, document())
        proxy.forwards.clear()
        monkeypatch.setattr(database, "_CLIENT_SECONDS", 0.2)
        with pytest.raises(DocumentStoreUnavailable):
            await work(store)
        proxy.forwards.set()
        monkeypatch.setattr(database, "_CLIENT_SECONDS", 30)
        while True:  # the pool itself pauses between its tries
            with contextlib.suppress(DocumentStoreUnavailable):
                assert await found(store) == [("k1", 0)]
                break
        await store.close()


async def test_ended_connections_are_replaced(postgres_url):
    store = PostgresStore(postgres_url)
    await store.open()
    await fill(store, document())
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        ended = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        assert connection.execute(f"{ended} AND pid <> pg_backend_pid()").fetchall() == [(True,)]
    assert await found(store) == [("k1", 0)]
    await store.close()


async def test_locked_document_is_unavailable(postgres_url):
    separator = "&" if "?" in postgres_url else "?"
    store = PostgresStore(f"{postgres_url}{separator}options=-c%20lock_timeout%3D50")
    await store.open()
    await fill(store, document())
    with psycopg.connect(postgres_url) as connection:
        connection.execute("SELECT 1 FROM carteiro.documents FOR UPDATE")
        with pytest.raises(DocumentStoreUnavailable, match="55P03"):
            await store.delete("handbook", "k1", version(9))
        with pytest.raises(DocumentStoreUnavailable, match="55P03"):
            await store.write("handbook", document(), version(9), {OLD: embedded(document(), 0)})
        assert await found(store) == [("k1", 0)]
    assert await store.delete("handbook", "k1", version(9))
    await store.close()


async def test_database_with_other_tables_is_refused(postgres_url):
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS carteiro CASCADE")
        connection.execute("CREATE SCHEMA carteiro; CREATE TABLE carteiro.documents (x int)")
    store = PostgresStore(postgres_url)
    with pytest.raises(DocumentStoreInvalid, match="schema named carteiro"):
        await store.open()
    await store.close()


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
async def test_database_that_cannot_have_all_characters_is_refused(postgres_url, encoding):
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS narrow")
        connection.execute(f"CREATE DATABASE narrow ENCODING '{encoding}' TEMPLATE template0 LOCALE 'C'")
    separator = "&" if "?" in postgres_url else "?"
    store = PostgresStore(f"{postgres_url}{separator}dbname=narrow")
    with pytest.raises(DocumentStoreInvalid, match="UTF8"):
        await store.open()
    await store.close()


async def test_defaults_of_the_database_change_nothing(postgres_url):
    options = "-c%20default_transaction_isolation%3Dserializable%20-c%20client_encoding%3DLATIN1"
    separator = "&" if "?" in postgres_url else "?"
    store = PostgresStore(f"{postgres_url}{separator}options={options}")
    await store.open()
    await fill(store, document(text="東京"))
    assert (await store.document("handbook", "k1")).document.text == "東京"
    rows = embedded(document(), 0)
    await asyncio.gather(*(store.write("handbook", document(), version(each), {OLD: rows}) for each in range(1, 30)))
    assert (await store.lookup("handbook", "k1"))[1] == version(29)
    await store.close()


async def test_user_who_may_not_create_tables_is_refused(postgres_url):
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(
            "DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN; CREATE EXTENSION IF NOT EXISTS vector"
        )
    store = PostgresStore(postgres_url.replace("postgres:@", "reader:@", 1))
    with pytest.raises(DocumentStoreInvalid, match="refuses the user"):
        await store.open()
    await store.close()


def test_address_that_is_no_connection_uri_is_refused():
    with pytest.raises(DocumentStoreInvalid, match="connection URI") as refused:
        PostgresStore("postgresql://user:secret@host/database?unknown=1")
    assert "secret" not in str(refused.value)


async def test_tables_are_kept_when_the_store_is_opened_again(postgres_url):
    for _ in range(2):
        store = PostgresStore(postgres_url)
        await store.open()
        await store.add_generation(OLD)
        await store.close()


async def test_more_chunks_have_more_time(postgres_url, monkeypatch):
    store = PostgresStore(postgres_url)
    await store.open()
    await fill(store, document())
    monkeypatch.setattr(database, "_CLIENT_SECONDS", -10)
    with pytest.raises(DocumentStoreUnavailable):
        await store.counts("handbook")
    longer = document(text="x" * 400)
    assert await store.write("handbook", longer, version(2), {OLD: embedded(longer, *[0] * 400)})
    assert await store.build(OLD, StoredDocument(longer, version(2)), embedded(longer, *[0] * 400))
    await store.close()


@pytest.mark.parametrize("query", ["SELECT 1 / 0", "SELECT repeat('x', 2000000)::tsvector"])
async def test_data_that_the_server_never_takes_is_the_documents_fault(postgres_url, query):
    store = PostgresStore(postgres_url)
    await store.open()
    with pytest.raises(DocumentInvalid, match=r"does not take the document \(\w{5}\)"):
        async with store._database.transaction() as connection:
            await connection.execute(query)
    await store.close()
