"""Long texts and results outside Kafka: the client uploads texts to its bucket, and reads results from any bucket."""

import base64
import hashlib
from typing import TYPE_CHECKING, Any, TypeVar

from carteiro.client.errors import BucketUnavailable
from carteiro.extras import ExtraMissing, needs
from carteiro.references.bucket import Bucket, parse_bucket, read_object
from carteiro.references.errors import ReferenceRefused, StoreInvalid, StoreRefused, StoreUnavailable
from carteiro.schemas import Request, StoredResult, TextReference
from carteiro.schemas.attachment import Attachment, ImageUrl
from carteiro.schemas.large_content import LargeContent, find_content, replace_content
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
        """Return the request with its longest texts and files in the bucket, so many that it is small enough.

        Equal texts are one object, so a repeated request is the same request. Raise `BucketUnavailable`.
        """
        if self._bucket is None:
            return request
        while len(request.to_json()) > UPLOAD_BYTES:
            longest = max((each for _, each in find_content(request)), key=_inline_size, default="")
            if _inline_size(longest) < _MIN_TEXT_CHARS:
                break
            request = replace_content(request, {longest: await self._uploaded(self._bucket, longest)})
        return request

    async def read_result(self, stored: StoredResult) -> str:
        """Return the JSON of a result. Raise `BucketUnavailable`."""
        try:
            return await read_object(stored.uri, self._open_stores(), _MAX_RESULT_BYTES)
        except ExtraMissing as error:
            raise BucketUnavailable(f"the result is too large for its topic, and is at {stored.uri}: {error}") from None
        except (ReferenceRefused, StoreInvalid, StoreUnavailable) as error:
            raise BucketUnavailable(f"the result at {stored.uri} cannot be read: {error}") from None

    async def _uploaded(self, bucket: Bucket, content: LargeContent) -> LargeContent:
        if isinstance(content, Attachment) and content.media is not None:
            media = content.media
            kind = media.media_type.partition("/")[2]
            uri = await self._upload(bucket, base64.b64decode(media.data), kind, media.media_type)
            if media.detail:
                return Attachment(type="image_url", image_url=ImageUrl(url=uri, detail=media.detail), name=media.name)
            return Attachment(uri=uri, name=media.name)
        return TextReference(uri=await self._upload(bucket, str(content).encode(), "txt", "text/plain; charset=utf-8"))

    async def _upload(self, bucket: Bucket, value: bytes, ending: str, content_type: str) -> str:
        try:
            return await bucket.write(f"{hashlib.sha256(value).hexdigest()}.{ending}", value, content_type)
        except (StoreRefused, StoreUnavailable) as error:
            raise BucketUnavailable(f"a text cannot be uploaded to {bucket.address.place}: {error}") from None

    def _open_stores(self) -> "ObjectStores":
        if self._stores is None:
            needs("a bucket", "references", "obstore")
            from carteiro.references.object_stores import ObjectStores

            self._stores = ObjectStores()
        return self._stores


def _inline_size(content: LargeContent) -> int:
    """Return the characters that a content has in its request."""
    if isinstance(content, Attachment):
        return len(content.media.data) if content.address is None and content.media else 0
    return len(content) if isinstance(content, str) else 0
