"""Reader of texts by their addresses: what is permitted, within limits of size, time, memory and number."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from carteiro.references.address import OBJECT_SCHEMES, Address, parse_address
from carteiro.references.allow_list import AllowList
from carteiro.references.body import Body, read_text
from carteiro.references.errors import AddressInvalid, ReferenceRefused, StoreUnavailable
from carteiro.references.file_reader import open_file
from carteiro.references.https_reader import HttpsReader
from carteiro.references.memory_budget import MemoryBudget, Reservation

if TYPE_CHECKING:
    from carteiro.references.object_stores import ObjectStores

_READ_SECONDS = 60.0
"""Longest time to read one text."""
_MAX_READS = 8
"""Texts that are read at once."""
MEMORY_FACTOR = 16
"""Texts in memory at once, if each has the largest size."""


class ReferenceReader:
    """Reader of the texts that requests name. The texts of one request together have at most `max_bytes` bytes."""

    def __init__(
        self, allowed: AllowList, max_bytes: int, stores: "ObjectStores", https: HttpsReader | None = None
    ) -> None:
        self._allowed, self.max_bytes, self._stores, self._https = allowed, max_bytes, stores, https or HttpsReader()
        self._memory = MemoryBudget(MEMORY_FACTOR * max_bytes)
        self._reads = asyncio.Semaphore(_MAX_READS)

    async def read(self, uses: Mapping[str, int]) -> tuple[Mapping[str, str], Reservation]:
        """Return the texts of one request by their addresses, and the memory that is theirs until it is released.

        `uses` are the numbers of places in the request for each text, which count as so many texts. Raise
        `ReferenceRefused` and `StoreUnavailable`.
        """
        checked = {uri: self._check(uri) for uri in uses}
        reservation = await self._memory.reserve(self.max_bytes)
        try:
            texts: dict[str, str] = {}
            left = self.max_bytes
            for uri, (address, entry) in checked.items():
                texts[uri] = await self._read_part(uri, address, entry, left // uses[uri])
                left -= len(texts[uri].encode()) * uses[uri]
        except BaseException:
            reservation.release()
            raise
        reservation.shrink(self.max_bytes - left)
        return texts, reservation

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

    async def _read_part(self, uri: str, address: Address, entry: Address, max_bytes: int) -> str:
        try:
            return await self._read(address, entry, max_bytes)
        except ReferenceRefused as error:
            too_large = f"is too large: the texts of a request have at most {self.max_bytes:,} bytes together"
            reason = too_large if error.is_too_large else error.reason
            raise ReferenceRefused(reason, uri=uri, is_too_large=error.is_too_large) from None

    async def _read(self, address: Address, entry: Address, max_bytes: int) -> str:
        async with self._reads:
            try:
                async with asyncio.timeout(_READ_SECONDS), self._open(address, entry) as body:
                    return await read_text(body, max_bytes)
            except TimeoutError:
                raise StoreUnavailable(f"{address.place} took more than {_READ_SECONDS:g} s for a text") from None

    def _open(self, address: Address, entry: Address) -> AbstractAsyncContextManager[Body]:
        if address.scheme in OBJECT_SCHEMES:
            return self._stores.open_object(address)
        return open_file(address, entry) if address.scheme == "file" else self._https.open(address)
