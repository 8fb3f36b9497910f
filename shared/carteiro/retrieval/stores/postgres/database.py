"""Transactions in PostgreSQL, in a bounded time."""

import asyncio
import json
import selectors
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from urllib.parse import urlsplit

import psycopg
from psycopg import AsyncConnection, errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.json import set_json_loads
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from carteiro.retrieval.document import MAX_INTEGER
from carteiro.retrieval.errors import (
    CollectionUnknown,
    DocumentInvalid,
    DocumentStoreInvalid,
    DocumentStoreUnavailable,
)
from carteiro.retrieval.stores.postgres.schema import create_tables

_MAX_CONNECTIONS = 8
_CONNECT_SECONDS = 10
_STATEMENT_SECONDS = 60
_CLIENT_SECONDS = 70
"""Longest transaction, if the server does not end it itself."""
_LOCK_SECONDS = 10
_OPTIONS = (
    f"-c statement_timeout={_STATEMENT_SECONDS}s -c lock_timeout={_LOCK_SECONDS}s"
    f" -c idle_in_transaction_session_timeout={_STATEMENT_SECONDS}s"
)
_SETTINGS_WRONG = (errors.InsufficientPrivilege, errors.InvalidAuthorizationSpecification, errors.InvalidCatalogName)
_DATA_WRONG = ("22", "54")
"""Classes of errors that the same data meets again: data exceptions, and limits of PostgreSQL."""
_AWAY = "PostgreSQL cannot be reached, or does not accept the connection"


class PostgresDatabase:
    """A database with the store's tables, and the connections to it."""

    def __init__(self, url: str) -> None:
        """`url` is a connection URI of libpq. Raise `DocumentStoreInvalid` if it is not."""
        try:
            urlsplit(url)
            options = conninfo_to_dict(url).get("options") or ""
        except (psycopg.Error, ValueError):
            raise DocumentStoreInvalid("the address of the store is no connection URI of PostgreSQL") from None
        self._pool = AsyncConnectionPool(
            url,
            # Prepared statements are lost in a pooler of transactions, such as PgBouncer.
            kwargs={
                "autocommit": True,
                "client_encoding": "UTF8",
                "connect_timeout": _CONNECT_SECONDS,
                "prepare_threshold": None,
                "options": f"{_OPTIONS} {options}",
                "tcp_user_timeout": _CLIENT_SECONDS * 1000,
            },
            min_size=0,
            max_size=_MAX_CONNECTIONS,
            timeout=_CONNECT_SECONDS,
            configure=_configure,
            check=_check,
            open=False,
        )

    async def open(self) -> None:
        """Connect, and create the tables if they are missing."""
        if self._pool.closed:
            try:
                await self._pool.open()
            except psycopg.Error:
                raise DocumentStoreUnavailable("the store is closed") from None
        async with self.transaction() as connection:
            await create_tables(connection)

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.close()

    @asynccontextmanager
    async def connection(self, more_seconds: float = 0) -> AsyncIterator[AsyncConnection]:
        """Give a connection. Each of its statements is stored by itself.

        `more_seconds` are added to the longest time that it may be used.
        """
        try:
            async with asyncio.timeout(_CLIENT_SECONDS + more_seconds), self._pool.connection() as connection:
                yield connection
        except (PoolTimeout, TimeoutError):
            raise DocumentStoreUnavailable(f"{_AWAY} in time") from None
        except psycopg.Error as error:
            raise _translate(error) from None

    @asynccontextmanager
    async def transaction(self, more_seconds: float = 0, *, pipelined: bool = False) -> AsyncIterator[AsyncConnection]:
        """Give a connection whose changes are stored at the end, or not at all.

        `more_seconds` are added to its longest time. With `pipelined`, statements are sent together, and their errors
        may be raised later, up to the end; none of them may be several statements.
        """
        async with (
            self.connection(more_seconds) as connection,
            connection.pipeline() if pipelined else nullcontext(),
        ):
            # A statement has to see what was stored while it waited for a lock, whatever the database's default.
            await connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
            yield connection
            # `commit` of a pipeline reads before it has sent all: a megabyte would wait for its own answer.
            await connection.execute("COMMIT")


async def _configure(connection: AsyncConnection) -> None:
    set_json_loads(partial(json.loads, parse_int=_read_integer), connection)


def _read_integer(digits: str) -> int | float:
    """Return an integer. Only a number with a fraction or an exponent, such as 1e16, was larger: `jsonb` adds zeros."""
    return number if abs(number := int(digits)) <= MAX_INTEGER else float(digits)


async def _check(connection: AsyncConnection) -> None:
    """Raise `psycopg.Error` if the server has ended a connection of the pool.

    The server sends a message when it ends a connection, so only a connection with a message is tested. A test of each
    would take as long as a short transaction.
    """
    with selectors.DefaultSelector() as selector:
        selector.register(connection.fileno(), selectors.EVENT_READ)
        has_input = bool(selector.select(0))
    if has_input:
        await AsyncConnectionPool.check_connection(connection)


def _translate(error: psycopg.Error) -> Exception:
    if isinstance(error, errors.UndefinedTable):
        return CollectionUnknown("the store has no collection of this name with vectors of this model (any more)")
    if isinstance(error, _SETTINGS_WRONG):
        return DocumentStoreInvalid(f"PostgreSQL refuses the user of the store, or its database ({error.sqlstate})")
    if error.sqlstate and error.sqlstate.startswith(_DATA_WRONG):
        return DocumentInvalid(f"PostgreSQL does not take the document ({error.sqlstate})")
    if error.sqlstate:
        return DocumentStoreUnavailable(f"PostgreSQL fails ({error.sqlstate})")
    return DocumentStoreUnavailable(_AWAY)
