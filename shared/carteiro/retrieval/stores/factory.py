"""The store of an address."""

from carteiro.extras import needs
from carteiro.retrieval.errors import DocumentStoreInvalid
from carteiro.retrieval.store import DocumentStore

SCHEMES = ("sqlite", "postgresql")


def create_store(url: str) -> DocumentStore:
    """Return the store of an address, which is not opened yet.

    It is `sqlite:///relative/path`, `sqlite:////absolute/path` or `postgresql://user:password@host/database`.

    Raise `DocumentStoreInvalid` for another address, or `ExtraMissing`. No message repeats the address.
    """
    match url.partition("://")[0]:
        case "sqlite":
            needs("the store in a file", "retrieval", "numpy")
            from carteiro.retrieval.stores.sqlite.store import SqliteStore

            return SqliteStore.at(url)
        case "postgresql" | "postgres":
            needs("the store in PostgreSQL", "postgres", "psycopg", "psycopg_pool")
            from carteiro.retrieval.stores.postgres.store import PostgresStore

            return PostgresStore(url)
    raise DocumentStoreInvalid(f"the address of the store does not begin with {'://, '.join(SCHEMES)}://")
