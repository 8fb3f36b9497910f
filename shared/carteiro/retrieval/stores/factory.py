"""The store of an address."""

from carteiro.extras import needs
from carteiro.retrieval.errors import DocumentStoreInvalid
from carteiro.retrieval.store import DocumentStore

SCHEMES = ("sqlite", "postgresql", "qdrant", "qdrant+https")


def create_store(url: str) -> DocumentStore:
    """Return the store of an address, which is not opened yet.

    It is `sqlite:///relative/path`, `sqlite:////absolute/path`, `postgresql://user:password@host/database`,
    `qdrant://host:port` or, with TLS, `qdrant+https://host:port`.

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
        case "qdrant" | "qdrant+http" | "qdrant+https":
            needs("the store in Qdrant", "qdrant", "qdrant_client")
            from carteiro.retrieval.stores.qdrant.store import QdrantStore

            return QdrantStore.at(url)
    raise DocumentStoreInvalid(f"the address of the store does not begin with {'://, '.join(SCHEMES)}://")
