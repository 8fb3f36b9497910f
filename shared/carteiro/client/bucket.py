"""Long texts and results outside Kafka: the client uploads texts to its bucket, and reads results from any bucket."""

import hashlib
from typing import TYPE_CHECKING, Any, TypeVar

from carteiro.client.errors import BucketUnavailable
from carteiro.extras import ExtraMissing, needs
from carteiro.references.bucket import Bucket, parse_bucket, read_object
from carteiro.references.errors import ReferenceRefused, StoreInvalid, StoreRefused, StoreUnavailable
from carteiro.schemas import Request, StoredResult, TextReference
from carteiro.schemas.text_reference import find_texts, replace_texts
from carteiro.wire.record import MAX_REQUEST_BYTES

if TYPE_CHECKING:
    from carteiro.references.object_stores import ObjectStores

RequestT = TypeVar("RequestT", bound=Request[Any])

UPLOAD_BYTES = MAX_REQUEST_BYTES // 2
"""Size of a request, in bytes, above which its longest texts are uploaded."""
_MIN_TEXT_CHARS = 16 * 1024
"""Shorter texts stay in the request: they would be many objects."""
_MAX_RESULT_BYTES = 256 * 1024 * 1024


class ClientBucket:
    """Bucket of a client. Without an address it only reads results."""

    def __init__(self, address: str | None) -> None:
        """`address` is `s3://BUCKET/PREFIX`, `gs://` or `az://`.

        Raise `AddressInvalid` or `StoreInvalid`, which are `ValueError`s, and `ExtraMissing` without the extra.
        """
        self._stores: ObjectStores | None = None
        self._bucket: Bucket | None = None
        if address is not None:
            self._bucket = Bucket(parse_bucket(address), self._open_stores())
            self._bucket.stores.open(self._bucket.address)

    async def upload_texts(self, request: RequestT) -> RequestT:
        """Return the request with its longest texts in the bucket, so many that it is small enough.

        Equal texts are one object, so a repeated request is the same request. Raise `BucketUnavailable`.
        """
        if self._bucket is None:
            return request
        while len(request.to_json()) > UPLOAD_BYTES:
            texts = [text for _, text in find_texts(request) if isinstance(text, str)]
            longest = max(texts, key=len, default="")
            if len(longest) < _MIN_TEXT_CHARS:
                break
            request = replace_texts(request, {longest: TextReference(uri=await self._upload(self._bucket, longest))})
        return request

    async def read_result(self, stored: StoredResult) -> str:
        """Return the JSON of a result. Raise `BucketUnavailable`."""
        try:
            return await read_object(stored.uri, self._open_stores(), _MAX_RESULT_BYTES)
        except ExtraMissing as error:
            raise BucketUnavailable(f"the result is too large for its topic, and is at {stored.uri}: {error}") from None
        except (ReferenceRefused, StoreInvalid, StoreUnavailable) as error:
            raise BucketUnavailable(f"the result at {stored.uri} cannot be read: {error}") from None

    async def _upload(self, bucket: Bucket, text: str) -> str:
        value = text.encode()
        try:
            name = f"{hashlib.sha256(value).hexdigest()}.txt"
            return await bucket.write(name, value, "text/plain; charset=utf-8")
        except (StoreRefused, StoreUnavailable) as error:
            raise BucketUnavailable(f"a text cannot be uploaded to {bucket.address.place}: {error}") from None

    def _open_stores(self) -> "ObjectStores":
        if self._stores is None:
            needs("a bucket", "references", "obstore")
            from carteiro.references.object_stores import ObjectStores

            self._stores = ObjectStores()
        return self._stores
