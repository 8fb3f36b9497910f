"""The tables, and the connections that have them."""

import sqlite3
import time
from pathlib import Path

from carteiro.retrieval.errors import DocumentStoreInvalid

_VERSION = 1
BUSY_SECONDS = 10.0
"""Longest wait for another writer."""
_PAUSE_SECONDS = 0.02
_CACHE_KIB = 16 * 1024

# Rows of `chunks` are never used twice: a matrix in memory knows by their ids what it lacks.
_TABLES = """
CREATE TABLE collections (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, active INTEGER
);
CREATE TABLE generations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    collection INTEGER NOT NULL REFERENCES collections ON DELETE CASCADE,
    name TEXT NOT NULL, model TEXT NOT NULL, dimensions INTEGER NOT NULL, max_tokens INTEGER NOT NULL,
    overlap_tokens INTEGER NOT NULL, chunks INTEGER NOT NULL DEFAULT 0,
    UNIQUE (collection, name)
);
CREATE TABLE documents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    collection INTEGER NOT NULL REFERENCES collections ON DELETE CASCADE,
    key TEXT NOT NULL, deleted INTEGER NOT NULL, revision INTEGER NOT NULL,
    topic TEXT NOT NULL, partition INTEGER NOT NULL, "offset" INTEGER NOT NULL, timestamp INTEGER NOT NULL,
    title TEXT NOT NULL, uri TEXT NOT NULL, fields TEXT NOT NULL, page_starts TEXT NOT NULL, text TEXT NOT NULL,
    UNIQUE (collection, key)
);
CREATE TABLE labels (
    label TEXT NOT NULL, document INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
    PRIMARY KEY (label, document)
) WITHOUT ROWID;
CREATE INDEX labels_of_document ON labels (document);
CREATE TABLE builds (
    generation INTEGER NOT NULL REFERENCES generations ON DELETE CASCADE,
    document INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE, revision INTEGER NOT NULL,
    PRIMARY KEY (generation, document)
) WITHOUT ROWID;
CREATE INDEX builds_of_document ON builds (document);
CREATE TABLE chunks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    generation INTEGER NOT NULL REFERENCES generations ON DELETE CASCADE,
    document INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
    number INTEGER NOT NULL, start INTEGER NOT NULL, "end" INTEGER NOT NULL, page INTEGER, heading TEXT NOT NULL,
    hash TEXT NOT NULL, vector BLOB NOT NULL, text TEXT NOT NULL
);
CREATE INDEX chunks_of_generation ON chunks (generation);
CREATE INDEX chunks_of_document ON chunks (document, generation, number);
CREATE TABLE errors (
    collection INTEGER NOT NULL REFERENCES collections ON DELETE CASCADE, key TEXT NOT NULL,
    topic TEXT NOT NULL, partition INTEGER NOT NULL, "offset" INTEGER NOT NULL, timestamp INTEGER NOT NULL,
    code TEXT NOT NULL, message TEXT NOT NULL,
    PRIMARY KEY (collection, key)
) WITHOUT ROWID;
"""


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection that several threads may use in turn. Transactions are begun by statements."""
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        _use_log(connection)
        # A commit is on the disk before it returns: the record that brought a document is then acknowledged.
        for pragma in ("synchronous=FULL", "foreign_keys=ON", f"cache_size=-{_CACHE_KIB}"):
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def _use_log(connection: sqlite3.Connection) -> None:
    """Set the mode in which readers do not wait for writers. SQLite itself does not wait if another process does it."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def create_tables(connection: sqlite3.Connection) -> None:
    """Create the tables of an empty file. Raise `DocumentStoreInvalid` for another file, or without full text."""
    if not connection.execute("SELECT 1 FROM pragma_module_list WHERE name = 'fts5'").fetchone():
        raise DocumentStoreInvalid("the SQLite of this Python has no full text search (FTS5): use another Python")
    connection.execute("BEGIN IMMEDIATE")
    try:
        version, tables = connection.execute(
            "SELECT user_version, (SELECT count(*) FROM sqlite_master) FROM pragma_user_version"
        ).fetchone()
        if version == 0 and tables == 0:
            for statement in _TABLES.split(";\n"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {_VERSION}")
        elif version != _VERSION:
            raise DocumentStoreInvalid(
                "the file of the store was written by another program, or by another version of Carteiro"
            )
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def vocabulary_table(generation_row: int) -> str:
    """Return the name of the table with the numbers of chunks that have a word, in a generation."""
    return f"vocabulary_{generation_row:d}"


def words_table(generation_row: int) -> str:
    """Return the name of the full text index of a generation."""
    return f"words_{generation_row:d}"


def create_words(connection: sqlite3.Connection, generation_row: int) -> None:
    """Create the full text index of a generation. It holds words that `carteiro.retrieval.words` has separated.

    The tokenizer `ascii` splits at spaces, and takes all characters beyond ASCII as they are.
    """
    words = words_table(generation_row)
    connection.execute(f"CREATE VIRTUAL TABLE {words} USING fts5(words, content='', tokenize='ascii')")
    connection.execute(f"CREATE VIRTUAL TABLE {vocabulary_table(generation_row)} USING fts5vocab('{words}', 'row')")


def drop_words(connection: sqlite3.Connection, generation_row: int) -> None:
    """Delete the full text index of a generation."""
    connection.execute(f"DROP TABLE {vocabulary_table(generation_row)}")
    connection.execute(f"DROP TABLE {words_table(generation_row)}")
