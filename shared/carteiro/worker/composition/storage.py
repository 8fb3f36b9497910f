"""Readers and buckets outside Kafka, from a worker's settings."""

from typing import TYPE_CHECKING

from carteiro.extras import needs
from carteiro.references.address import OBJECT_SCHEMES, Address
from carteiro.references.allow_list import parse_allow_list
from carteiro.references.bucket import Bucket, parse_bucket
from carteiro.references.errors import StoreInvalid
from carteiro.settings.environment import SettingsInvalid
from carteiro.settings.worker import WorkerSettings

if TYPE_CHECKING:
    from carteiro.references.object_stores import ObjectStores
    from carteiro.references.reader import ReferenceReader


def open_references(settings: WorkerSettings) -> "ReferenceReader | None":
    """Return the reader of texts by reference; None if no address is permitted. No store is called.

    Raise `SettingsInvalid`, and `ExtraMissing` if a library is not installed.
    """
    allowed = parse_allow_list(settings.references or "")
    if not allowed.entries:
        return None
    needs("CARTEIRO_REFERENCES", "references", "obstore", "aiohttp")
    from carteiro.references.reader import ReferenceReader

    buckets = [entry for entry in allowed.entries if entry.scheme in OBJECT_SCHEMES]
    return ReferenceReader(allowed, settings.reference_max_bytes, _open_stores("CARTEIRO_REFERENCES", *buckets))


def open_reply_bucket(settings: WorkerSettings) -> Bucket | None:
    """Return the bucket of results that are too large for Kafka; None if there is no such bucket. It is not called.

    Raise `SettingsInvalid`, and `ExtraMissing` if a library is not installed.
    """
    if settings.reply_bucket is None:
        return None
    needs("CARTEIRO_REPLY_BUCKET", "references", "obstore")
    address = parse_bucket(settings.reply_bucket)
    return Bucket(address, _open_stores("CARTEIRO_REPLY_BUCKET", address))


def _open_stores(variable: str, *buckets: Address) -> "ObjectStores":
    from carteiro.references.object_stores import ObjectStores

    stores = ObjectStores()
    try:
        for bucket in buckets:
            stores.open(bucket)
    except StoreInvalid as error:
        raise SettingsInvalid(f"{variable}: {error}") from None
    return stores
