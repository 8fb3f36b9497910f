"""The tables, in a schema of their own. Chunks of a generation have a table of their own, for the length of vectors."""

import psycopg
from psycopg import AsyncConnection, errors

from carteiro.retrieval.errors import DocumentStoreInvalid

_VERSION = 1
_MIN_PGVECTOR = (0, 8)
"""First version whose index goes on until a filter has found enough."""
_LOCK = 7_240_511_201
"""Number of the lock of those that create tables."""
_MAX_INDEXED, _MAX_INDEXED_AS_HALF = 2000, 4000
"""Maximum dimensions of pgvector's HNSW index, for numbers of 32 and of 16 bits."""

_TABLES = """
CREATE SCHEMA IF NOT EXISTS carteiro;
CREATE TABLE carteiro.collections (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE, active bigint
);
CREATE TABLE carteiro.generations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection bigint NOT NULL REFERENCES carteiro.collections ON DELETE CASCADE,
    name text NOT NULL, model text NOT NULL, dimensions int NOT NULL, max_tokens int NOT NULL,
    overlap_tokens int NOT NULL, UNIQUE (collection, name)
);
CREATE TABLE carteiro.documents (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection bigint NOT NULL REFERENCES carteiro.collections ON DELETE CASCADE,
    key text COLLATE "C" NOT NULL, deleted boolean NOT NULL DEFAULT true, revision bigint NOT NULL DEFAULT 0,
    topic text NOT NULL DEFAULT '', partition int NOT NULL DEFAULT 0, "offset" bigint NOT NULL DEFAULT 0,
    timestamp bigint NOT NULL DEFAULT 0, title text NOT NULL DEFAULT '', uri text NOT NULL DEFAULT '',
    fields jsonb NOT NULL DEFAULT '{}', labels text[] NOT NULL DEFAULT '{}', page_starts int[] NOT NULL DEFAULT '{}',
    text text NOT NULL DEFAULT '', UNIQUE (collection, key)
);
CREATE INDEX ON carteiro.documents USING gin (labels);
CREATE TABLE carteiro.builds (
    generation bigint NOT NULL REFERENCES carteiro.generations ON DELETE CASCADE,
    document bigint NOT NULL REFERENCES carteiro.documents ON DELETE CASCADE,
    revision bigint NOT NULL, PRIMARY KEY (document, generation)
);
CREATE INDEX ON carteiro.builds (generation);
CREATE TABLE carteiro.errors (
    collection bigint NOT NULL REFERENCES carteiro.collections ON DELETE CASCADE, key text COLLATE "C" NOT NULL,
    topic text NOT NULL, partition int NOT NULL, "offset" bigint NOT NULL, timestamp bigint NOT NULL,
    code text NOT NULL, message text NOT NULL, PRIMARY KEY (collection, key)
);
CREATE TABLE carteiro.version (number int NOT NULL);
"""


async def create_tables(connection: AsyncConnection) -> None:
    """Create the extension and the tables if they are missing. Raise `DocumentStoreInvalid` if that is not possible."""
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    encoding = await (await connection.execute("SELECT current_setting('server_encoding')")).fetchone()
    if encoding != ("UTF8",):
        raise DocumentStoreInvalid("the database has not the encoding UTF8: use another database")
    await _create_extension(connection)
    is_there = await (await connection.execute("SELECT to_regclass('carteiro.version') IS NOT NULL")).fetchone()
    if is_there == (False,):
        try:
            await connection.execute(_TABLES.encode())
            await connection.execute("INSERT INTO carteiro.version VALUES (%s)", [_VERSION])
        except errors.DuplicateTable:
            raise DocumentStoreInvalid(
                "the database has a schema named carteiro with other tables: use another database"
            ) from None
    found = await (await connection.execute("SELECT number FROM carteiro.version")).fetchone()
    if found != (_VERSION,):
        raise DocumentStoreInvalid("the tables of the store were made by another version of Carteiro")


async def _create_extension(connection: AsyncConnection) -> None:
    query = "SELECT extversion FROM pg_extension WHERE extname = 'vector'"
    found = await (await connection.execute(query)).fetchone()
    if found is None:
        try:
            await connection.execute("CREATE EXTENSION vector")
        except psycopg.Error:
            raise DocumentStoreInvalid(
                "the database has no extension pgvector: install it, and run CREATE EXTENSION vector as its owner"
            ) from None
        found = await (await connection.execute(query)).fetchone()
    version = str(found[0]) if found else "0"
    if tuple(map(int, version.split(".")[:2])) < _MIN_PGVECTOR:
        raise DocumentStoreInvalid(f"the database has pgvector {version}: update it to 0.8 or later")


def chunks_table(generation: int) -> str:
    """Return the name of the table of a generation's chunks."""
    return f"carteiro.chunks_{generation:d}"


def indexed_type(dimensions: int) -> str | None:
    """Return the type of the vectors in the index; None if vectors are so long that all of them are compared."""
    if dimensions <= _MAX_INDEXED:
        return f"vector({dimensions:d})"
    return f"halfvec({dimensions:d})" if dimensions <= _MAX_INDEXED_AS_HALF else None


async def create_chunks(connection: AsyncConnection, generation: int, dimensions: int) -> None:
    """Create the table of a generation's chunks, with its indexes."""
    table = chunks_table(generation)
    statements = f"""
    CREATE TABLE {table} (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        document bigint NOT NULL REFERENCES carteiro.documents ON DELETE CASCADE,
        number int NOT NULL, start int NOT NULL, "end" int NOT NULL, page int, heading text NOT NULL,
        hash text NOT NULL, words tsvector NOT NULL, vector vector({dimensions:d}) NOT NULL, text text NOT NULL,
        UNIQUE (document, number)
    );
    CREATE INDEX ON {table} USING gin (words);
    """
    if kind := indexed_type(dimensions):
        operators = f"{kind.partition('(')[0]}_cosine_ops"
        statements += f"CREATE INDEX ON {table} USING hnsw ((vector::{kind}) {operators});"
    await connection.execute(statements.encode())
