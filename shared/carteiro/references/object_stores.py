"""Objects in buckets, by `obstore`. Credentials, regions and endpoints come from the stores' own variables.

That is `AWS_...`, `GOOGLE_...` and `AZURE_...`: https://developmentseed.org/obstore/latest/authentication/.

Threads call it. Its coroutines have threads of its own that need the interpreter: one that comes back while the
interpreter ends aborts the process (2 in 60 short commands, of obstore 0.12 on Python 3.11).
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    InvalidPathError,
    NotFoundError,
    NotModifiedError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import AzureStore, GCSStore, S3Store

from carteiro.references.address import Address
from carteiro.references.body import Body
from carteiro.references.errors import ReferenceRefused, StoreInvalid, StoreRefused, StoreUnavailable, TextUnavailable

T = TypeVar("T")

_CHUNK_BYTES = 256 * 1024
_THREADS = 8
_DENIED = (PermissionDeniedError, UnauthenticatedError, PermissionError)
_MISSING = (NotFoundError, FileNotFoundError)
_WRONG_KEY = (InvalidPathError, ValueError)
_FAILED = (BaseError, OSError)
"""Errors of obstore: its own, and those of Python that are near to them."""
_OF_ONE_OBJECT = (AlreadyExistsError, PreconditionError, NotModifiedError)
"""Errors of obstore for the answers 409, 412 and 304. Azure answers 409 for a blob in the archive."""
_CLIENT_ERROR = re.compile(r"Server returned non-2xx status code: (4\d\d)(?:.*?<Code>(\w+)</Code>)?", re.DOTALL)
"""Status and S3's code in the message of another error of obstore. The address before it has no spaces. S3 answers 400
for an object that is encrypted with its uploader's key.
"""
_OF_ALL_OBJECTS = ("408", "429", "ExpiredToken", "InvalidToken", "TokenRefreshRequired", "RequestTimeTooSkewed")
"""Statuses and codes whose cause is not the object."""
_CLIENT_OPTIONS: dict[str, Any] = {"connect_timeout": timedelta(seconds=10), "timeout": timedelta(seconds=30)}
"""The time is that of a whole call, with its body. A thread that nobody waits for any more ends by it."""
# One try for each call: the caller pauses and tries again.
_NO_RETRY: Any = {"max_retries": 0}


class ObjectStores:
    """Buckets, each opened once. There are as many as the settings name."""

    def __init__(self) -> None:
        self._stores: dict[str, Any] = {}
        # Threads of their own: a store that hangs must not hold those that parse requests.
        self._threads = ThreadPoolExecutor(_THREADS, "object-stores")

    def open(self, address: Address) -> Any:
        """Return the store of an address's bucket. No call is made. Raise `StoreInvalid`."""
        if address.place not in self._stores:
            try:
                self._stores[address.place] = _open_store(address)
            except (*_FAILED, ValueError) as error:
                raise StoreInvalid(
                    f"{address.place} cannot be opened ({type(error).__name__}): "
                    "see the variables of the store, such as AWS_REGION, AZURE_STORAGE_ACCOUNT_NAME"
                ) from None
        return self._stores[address.place]

    @asynccontextmanager
    async def open_object(self, address: Address) -> AsyncIterator[Body]:
        """Open an object for the `with` block. Raise `ReferenceRefused` and `StoreUnavailable`."""
        store = self.open(address)
        with _translated(address, ReferenceRefused):
            found = await self._call(partial(obstore.get, store, address.key))
            attributes = {str(name).lower(): str(value) for name, value in found.attributes.items()}
            yield Body(
                self._chunks(found),
                found.meta["size"],
                attributes.get("content-type"),
                attributes.get("content-encoding"),
            )

    async def write(self, address: Address, value: bytes, content_type: str) -> None:
        """Write an object, in place of what is there. Raise `StoreRefused` and `StoreUnavailable`."""
        store = self.open(address)
        with _translated(address, StoreRefused):
            attributes: Any = {"Content-Type": content_type}
            await self._call(partial(obstore.put, store, address.key, value, attributes=attributes))

    async def _chunks(self, found: Any) -> AsyncIterator[bytes]:
        chunks = found.stream(min_chunk_size=_CHUNK_BYTES)
        while (chunk := await self._call(partial(next, chunks, None))) is not None:
            yield bytes(chunk)

    async def _call(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _open_store(address: Address) -> Any:
    open_store = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}[address.scheme]
    options = dict(_CLIENT_OPTIONS)
    # An operator who names an endpoint without TLS means it. Other clients of S3 need no second variable for it.
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL", "")
    if address.scheme == "s3" and endpoint.startswith("http://"):
        options["allow_http"] = True
    return open_store(address.authority, client_options=options, retry_config=_NO_RETRY)


@contextmanager
def _translated(address: Address, refused: type[Exception]) -> Iterator[None]:
    """Raise our errors in place of the library's, whose words may hold the key and the address."""
    try:
        yield
    except _MISSING:
        raise refused("does not exist") from None
    except _DENIED:
        raise refused("must not be used by this service: the store denies the access") from None
    except _WRONG_KEY:
        raise refused("has a key that no object has") from None
    except _FAILED as error:
        if refused is ReferenceRefused and _is_of_one_object(error):
            raise TextUnavailable(f"{address.place} does not give a text ({type(error).__name__})") from None
        reason = f"{address.place} does not answer as it should, or there are no credentials for it"
        raise StoreUnavailable(f"{reason} ({type(error).__name__})") from None


def _is_of_one_object(error: Exception) -> bool:
    """Return True if the store answers, but not with this object."""
    if isinstance(error, _OF_ONE_OBJECT):
        return True
    found = _CLIENT_ERROR.search(str(error))
    return found is not None and not set(found.groups()) & set(_OF_ALL_OBJECTS)
