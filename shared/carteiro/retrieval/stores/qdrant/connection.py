"""The client of a server, its errors, and the names of collections in it."""

import os
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

from qdrant_client import AsyncQdrantClient
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from carteiro.retrieval.collection import Generation
from carteiro.retrieval.errors import (
    CollectionUnknown,
    DocumentInvalid,
    DocumentStoreInvalid,
    DocumentStoreUnavailable,
)

CATALOG = "carteiro"
"""Collection of the server that lists the collections."""
_TIMEOUT_SECONDS = 30
_PORT = 6333
_NAMESPACE = uuid.UUID("5c0f3b5e-6a1c-5c55-9a51-0f3f1c9f6c2b")


def connect(url: str) -> AsyncQdrantClient:
    """Return a client of a server. The API key is the password in the address, or `QDRANT_API_KEY`.

    Raise `DocumentStoreInvalid` if the address is not `qdrant://host:port`, or `qdrant+https://...` for TLS.
    """
    try:
        parts = urlsplit(url)
        host, port, key = parts.hostname, parts.port or _PORT, unquote(parts.password or "")
    except ValueError:
        host = None
    if not host:
        raise DocumentStoreInvalid("the address of the store is not qdrant://host:port or qdrant+https://host:port")
    # A key without TLS is the operator's choice, as a password is.
    warnings.filterwarnings("ignore", "Api key is used with an insecure connection", UserWarning)
    return AsyncQdrantClient(
        host=host,
        port=port,
        https=parts.scheme == "qdrant+https",
        prefix=parts.path.strip("/") or None,
        api_key=key or os.environ.get("QDRANT_API_KEY"),
        timeout=_TIMEOUT_SECONDS,
        check_compatibility=False,
    )


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise this package's errors for those of the client."""
    try:
        yield
    except UnexpectedResponse as error:
        raise _translate(error.status_code or 0) from None
    except (ResponseHandlingException, ApiException, OSError):
        raise DocumentStoreUnavailable("Qdrant cannot be reached, or does not answer in time") from None
    except ValueError as error:
        if type(error) is ValueError and str(error).endswith("not found"):  # the client's own store, without a server
            raise _translate(404) from None
        raise


def _translate(status: int) -> Exception:
    if status == 404:
        return CollectionUnknown("the store has no collection of this name with vectors of this model")
    if status in (401, 403):
        return DocumentStoreInvalid("Qdrant refuses the API key: set QDRANT_API_KEY, or put it into the address")
    if status == 413:
        return DocumentInvalid("text: is larger than Qdrant's limit of a request, service.max_request_size_mb")
    if status in (400, 422):  # A later try would be refused too.
        return DocumentInvalid(f"Qdrant does not take the document (HTTP {status})")
    return DocumentStoreUnavailable(f"Qdrant fails (HTTP {status})")


def documents_name(collection: str) -> str:
    """Return the name of the server's collection with the documents of one of ours."""
    return f"{CATALOG}.{collection}"


def chunks_name(generation: Generation) -> str:
    """Return the name of the server's collection with the chunks of a generation."""
    return f"{CATALOG}.{generation.collection}.{generation.id}"


def point_id(*parts: object) -> str:
    """Return the id of a point: equal for equal parts."""
    return str(uuid.uuid5(_NAMESPACE, "\0".join(map(str, parts))))
