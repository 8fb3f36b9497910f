"""Transactions on the file, from threads."""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from carteiro.retrieval.errors import DocumentStoreInvalid, DocumentStoreUnavailable
from carteiro.retrieval.stores.sqlite.schema import connect, create_tables

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_REASONS = {
    sqlite3.SQLITE_BUSY: "another process writes to it for too long",
    sqlite3.SQLITE_LOCKED: "another process writes to it for too long",
    sqlite3.SQLITE_FULL: "its disk is full",
    sqlite3.SQLITE_IOERR: "its disk fails",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: see that its folder exists and may be written",
    sqlite3.SQLITE_READONLY: "it may not be written",
    sqlite3.SQLITE_NOMEM: "there is too little memory",
}


class Database:
    """A SQLite file with the store's tables. Each thread has a connection of its own at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._idle: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._is_open = False
        self._opened_file: tuple[int, int] | None = None
        """Device and number of the file that was opened."""

    def open(self) -> None:
        """Create the file and its tables if they are missing. Raise `DocumentStoreInvalid`, or `...Unavailable`."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError:
            raise DocumentStoreInvalid("the folder of the store's file cannot be created") from None
        self._is_open = True
        self._opened_file = None
        with self._connection() as connection:
            create_tables(connection)
        self._opened_file = self._file()

    def close(self) -> None:
        """Close the connections. Those in use are closed at the end of their transaction."""
        with self._lock:
            self._is_open, idle, self._idle = False, self._idle, []
        for connection in idle:
            connection.close()

    def size_bytes(self) -> int:
        """Return the bytes of the file, and of its log."""
        files = [self.path.with_name(self.path.name + suffix) for suffix in ("", "-wal")]
        return sum(each.stat().st_size for each in files if each.exists())

    @contextlib.contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Give a connection that sees one state of the file."""
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Give a connection whose changes are stored at the end, or not at all. Wait for other writers at its start."""
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._connection() as connection:
            connection.execute(begin)
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        if not self._is_open:
            raise DocumentStoreUnavailable("the store is closed")
        if self._opened_file not in (None, self._file()):
            # SQLite would go on in the deleted file, and all that is written there is lost.
            raise DocumentStoreUnavailable(
                "the file of the store was deleted or replaced while it was in use: restart the service"
            )
        try:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            connection = connection or connect(self.path)
            try:
                yield connection
            finally:
                self._release(connection)
        except sqlite3.Error as error:
            raise _translate(error) from None

    def _file(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _release(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            if self._is_open and not connection.in_transaction:
                self._idle.append(connection)
                return
        connection.close()


def _translate(error: sqlite3.Error) -> Exception:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the primary code
    if code in _DAMAGED:
        return DocumentStoreInvalid("the file of the store is damaged, or is no SQLite file")
    if code in _REASONS:
        return DocumentStoreUnavailable(f"the file of the store: {_REASONS[code]}")
    if isinstance(error, sqlite3.OperationalError):
        return DocumentStoreUnavailable(f"the file of the store fails ({type(error).__name__} {code})")
    return error
