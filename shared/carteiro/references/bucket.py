"""A bucket, or a part of it, that objects are written to and read from."""

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from carteiro.references.address import OBJECT_SCHEMES, Address, parse_address, parse_prefix
from carteiro.references.body import read_text
from carteiro.references.errors import AddressInvalid, ReferenceRefused, StoreUnavailable

if TYPE_CHECKING:
    from carteiro.references.object_stores import ObjectStores

_CALL_SECONDS = 60.0


def parse_bucket(uri: str) -> Address:
    """Return the address of a bucket, or of a part of it. Raise `AddressInvalid`."""
    if uri.partition("://")[0].lower() not in OBJECT_SCHEMES:
        raise AddressInvalid(f"is no bucket: it begins with {', '.join(f'{each}://' for each in OBJECT_SCHEMES)}")
    return parse_prefix(uri)


@dataclass(frozen=True, slots=True)
class Bucket:
    """Objects below an address."""

    address: Address
    stores: "ObjectStores"

    async def write(self, name: str, value: bytes, content_type: str) -> str:
        """Write an object under a name with slashes. Return its address. Raise `StoreRefused` and `StoreUnavailable`.

        An object of that name is replaced.
        """
        address = replace(self.address, segments=(*self.address.segments, *name.split("/")))
        try:
            async with asyncio.timeout(_CALL_SECONDS):
                await self.stores.write(address, value, content_type)
        except TimeoutError:
            raise StoreUnavailable(f"{address.place} took more than {_CALL_SECONDS:g} s for an object") from None
        return f"{address.place}/{address.key}"


async def read_object(uri: str, stores: "ObjectStores", max_bytes: int) -> str:
    """Return the text of an object in any bucket. Raise `ReferenceRefused` and `StoreUnavailable`."""
    try:
        address = parse_address(uri)
    except AddressInvalid as error:
        raise ReferenceRefused(str(error)) from None
    if address.scheme not in OBJECT_SCHEMES:
        raise ReferenceRefused("is no object in a bucket")
    try:
        async with asyncio.timeout(_CALL_SECONDS), stores.open_object(address) as body:
            return await read_text(body, max_bytes)
    except TimeoutError:
        raise StoreUnavailable(f"{address.place} took more than {_CALL_SECONDS:g} s for an object") from None
