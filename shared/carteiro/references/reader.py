"""Reader of texts and files by their addresses: what is permitted, within limits of size, time, memory and number."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from carteiro.references.address import OBJECT_SCHEMES, Address, parse_address
from carteiro.references.allow_list import AllowList
from carteiro.references.body import Body, read_bytes, read_text
from carteiro.references.errors import AddressInvalid, ReferenceRefused, StoreUnavailable, TextUnavailable
from carteiro.references.file_reader import open_file
from carteiro.references.https_reader import HttpsReader
from carteiro.references.memory_budget import MemoryBudget, Reservation

T = TypeVar("T")
ReadBody = Callable[[Body, int], Awaitable[T]]
"""Reads a body of at most so many bytes."""

if TYPE_CHECKING:
    from carteiro.references.object_stores import ObjectStores

_READ_SECONDS = 60.0
"""Longest time to read the texts of one request."""
_MAX_READS = 8
"""Texts that are read at once."""
MEMORY_FACTOR = 16
"""Texts in memory at once, if each has the largest size."""
FILE_FACTOR = 3
"""Bytes of memory for a byte of a file for a model: its base64, and a request's body with it, are 8/3 of it."""
_SERVER_FACTOR = MEMORY_FACTOR // 2
"""Texts of the largest size that are read from HTTPS servers at once. A sender may own a server, and have it send
slowly: so much memory is left for other requests.
"""


@dataclass(frozen=True, slots=True)
class FileContent:
    """The bytes at an address, and their type as the store or server gives it; it may be empty or wrong."""

    data: bytes
    content_type: str


class ReferenceReader:
    """Reader of the texts and files that requests name. Those of one request together have at most `max_bytes`."""

    def __init__(
        self,
        allowed: AllowList,
        max_bytes: int,
        stores: "ObjectStores",
        https: HttpsReader | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._allowed, self.max_bytes, self._stores, self._https = allowed, max_bytes, stores, https or HttpsReader()
        self._clock = clock
        self._memory = MemoryBudget(MEMORY_FACTOR * max_bytes)
        self._server_memory = MemoryBudget(_SERVER_FACTOR * max_bytes)
        self._reads = asyncio.Semaphore(_MAX_READS)
        # Requests that hold memory wait here for more of it. So nobody who waits for memory above may hold these: else
        # all could wait for ever.
        self._earlier_memory = MemoryBudget(MEMORY_FACTOR * max_bytes)
        self._earlier_server_memory = MemoryBudget(_SERVER_FACTOR * max_bytes)

    async def read(
        self, uses: Mapping[str, int], files: Collection[str] = ()
    ) -> tuple[Mapping[str, str | bytes], Reservation]:
        """Return the texts of one request by their addresses, and the memory that is theirs until it is released.

        `uses` are the numbers of places in the request for each text, which count as so many texts. Those among `files`
        are no texts: their content is returned as bytes. Raise `ReferenceRefused` and `StoreUnavailable`.
        """
        checked = {uri: self._check(uri) for uri in uses}
        size = self.max_bytes * (FILE_FACTOR if files else 1)
        if any(_is_served(address) for address, _ in checked.values()):
            with await self._server_memory.reserve(size):
                return await self._read_all(checked, uses, files, await self._memory.reserve(size))
        return await self._read_all(checked, uses, files, await self._memory.reserve(size))

    async def read_available(self, uris: Sequence[str]) -> tuple[Mapping[str, bytes], Reservation]:
        """Return the files of earlier requests that can still be read, the first ones as far as they fit together.

        Raise `StoreUnavailable`.
        """
        checked: dict[str, tuple[Address, Address]] = {}
        for uri in uris:
            with suppress(ReferenceRefused):
                checked[uri] = self._check(uri)
        size = FILE_FACTOR * self.max_bytes
        if any(_is_served(address) for address, _ in checked.values()):
            with await self._earlier_server_memory.reserve(size):
                return await self._read_available(checked, await self._earlier_memory.reserve(size))
        return await self._read_available(checked, await self._earlier_memory.reserve(size))

    async def read_bytes(self, uri: str) -> tuple[FileContent, Reservation]:
        """Return the content at an address, of any type, and its memory until that is released. Raise as `read`."""
        address, entry = self._check(uri)

        async def read(body: Body, max_bytes: int) -> FileContent:
            return FileContent(await read_bytes(body, max_bytes), body.content_type or "")

        with await self._server_memory.reserve(self.max_bytes) if _is_served(address) else nullcontext():
            reservation = await self._memory.reserve(self.max_bytes)
            try:
                watch = _Stopwatch(_READ_SECONDS, self._clock)
                content = await self._read_part(uri, address, entry, self.max_bytes, watch, read)
            except BaseException:
                reservation.release()
                raise
        reservation.shrink(len(content.data))
        return content, reservation

    async def _read_available(
        self, checked: Mapping[str, tuple[Address, Address]], reservation: Reservation
    ) -> tuple[Mapping[str, bytes], Reservation]:
        found: dict[str, bytes] = {}
        left, watch = self.max_bytes, _Stopwatch(_READ_SECONDS, self._clock)
        try:
            for uri, (address, entry) in checked.items():
                with suppress(ReferenceRefused, TextUnavailable):
                    found[uri] = await self._read_part(uri, address, entry, left, watch, read_bytes)
                    left -= len(found[uri])
        except BaseException:
            reservation.release()
            raise
        reservation.shrink(FILE_FACTOR * (self.max_bytes - left))
        return found, reservation

    async def _read_all(
        self,
        checked: Mapping[str, tuple[Address, Address]],
        uses: Mapping[str, int],
        files: Collection[str],
        reservation: Reservation,
    ) -> tuple[Mapping[str, str | bytes], Reservation]:
        try:
            found: dict[str, str | bytes] = {}
            left, used, watch = self.max_bytes, 0, _Stopwatch(_READ_SECONDS, self._clock)
            for uri, (address, entry) in checked.items():
                read: ReadBody[str | bytes] = read_bytes if uri in files else read_text
                content = found[uri] = await self._read_part(uri, address, entry, left // uses[uri], watch, read)
                size = len(content if isinstance(content, bytes) else content.encode()) * uses[uri]
                left, used = left - size, used + size * (FILE_FACTOR if uri in files else 1)
        except BaseException:
            reservation.release()
            raise
        reservation.shrink(used)
        return found, reservation

    def _check(self, uri: str) -> tuple[Address, Address]:
        """Return the address, and the entry of the allow-list that permits it. Raise `ReferenceRefused`."""
        try:
            address = parse_address(uri)
        except AddressInvalid as error:
            raise ReferenceRefused(str(error), uri=uri) from None
        if (entry := self._allowed.find(address)) is None:
            reason = "is not among the addresses that this service may read (CARTEIRO_REFERENCES)"
            raise ReferenceRefused(reason, uri=uri)
        return address, entry

    async def _read_part(
        self, uri: str, address: Address, entry: Address, max_bytes: int, watch: "_Stopwatch", read: ReadBody[T]
    ) -> T:
        try:
            if _is_served(address):
                return await self._read(address, entry, max_bytes, watch, read)
            async with self._reads:
                return await self._read(address, entry, max_bytes, watch, read)
        except ReferenceRefused as error:
            too_large = f"is too large: the texts and files of a request have at most {self.max_bytes:,} bytes together"
            reason = too_large if error.is_too_large else error.reason
            raise ReferenceRefused(reason, uri=uri, is_too_large=error.is_too_large) from None

    async def _read(
        self, address: Address, entry: Address, max_bytes: int, watch: "_Stopwatch", read: ReadBody[T]
    ) -> T:
        try:
            async with watch.limit(), self._open(address, entry) as body:
                return await read(body, max_bytes)
        except TimeoutError:
            reason = f"the texts and files of a request took more than {_READ_SECONDS:g} s ({address.place})"
            raise TextUnavailable(reason, is_slow=True) if _is_served(address) else StoreUnavailable(reason) from None

    def _open(self, address: Address, entry: Address) -> AbstractAsyncContextManager[Body]:
        if address.scheme in OBJECT_SCHEMES:
            return self._stores.open_object(address)
        return open_file(address, entry) if address.scheme == "file" else self._https.open(address)


class _Stopwatch:
    """Seconds that are left for the reads of one request. Waits between them do not count."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._left, self._clock = seconds, clock

    @asynccontextmanager
    async def limit(self) -> AsyncIterator[None]:
        """Raise `TimeoutError` if the `with` block takes more than what is left."""
        if self._left <= 0:
            raise TimeoutError
        began = self._clock()
        try:
            async with asyncio.timeout(self._left):
                yield
        finally:
            self._left -= self._clock() - began


def _is_served(address: Address) -> bool:
    return address.scheme == "https"
