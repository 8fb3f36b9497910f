"""The addresses that a service may read."""

from dataclasses import dataclass

from carteiro.references.address import Address, parse_prefix
from carteiro.references.errors import AddressInvalid


@dataclass(frozen=True, slots=True)
class AllowList:
    """Buckets, hosts and folders, or parts of them, below which texts may be read."""

    entries: tuple[Address, ...] = ()

    def find(self, address: Address) -> Address | None:
        """Return the entry that permits the address; None if no entry does."""
        return next((entry for entry in self.entries if entry.contains(address)), None)


def parse_allow_list(text: str) -> AllowList:
    """Return the list of entries with commas between them. Raise `AddressInvalid`, with the number of the entry.

    The entry itself may hold a password.
    """
    entries = []
    for number, uri in enumerate(filter(None, (each.strip() for each in text.split(","))), 1):
        try:
            entries.append(parse_prefix(uri))
        except AddressInvalid as error:
            raise AddressInvalid(f"entry {number} {error}") from None
    return AllowList(tuple(entries))
