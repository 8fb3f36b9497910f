"""A text as a store sends it, and the checks of its size and type."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from carteiro.references.errors import ReferenceRefused

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_TEXT_TYPES = ("application/json", "application/octet-stream", "application/x-ndjson", "binary/octet-stream")
"""Types besides `text/*`. A store gives an object without a type one of the octet streams."""
_CHARSET = re.compile(r"charset\s*=\s*\"?([^\s;\"]+)")
_CHARSETS = ("utf-8", "utf8", "us-ascii")
_MAX_SHOWN_CHARS = 60
_DECODE_IN_THREAD_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Body:
    """An opened text. `size` is the announced number of bytes; None if it is not known."""

    chunks: AsyncIterator[bytes]
    size: int | None = None
    content_type: str | None = None
    content_encoding: str | None = None


async def read_bytes(body: Body, max_bytes: int) -> bytes:
    """Return the content of a body, of any type. Raise `ReferenceRefused` if it is too large, or compressed."""
    _check_encoding(body)
    return bytes(await _receive(body, max_bytes))


async def read_text(body: Body, max_bytes: int) -> str:
    """Return the text of a body. Raise `ReferenceRefused` if it is too large, or no text in UTF-8.

    At most `max_bytes` and one chunk are held, whatever size is announced.
    """
    _check_encoding(body)
    _check_type(body)
    received = await _receive(body, max_bytes)
    try:
        if len(received) > _DECODE_IN_THREAD_BYTES:
            return await asyncio.to_thread(_decode, received)
        return _decode(received)
    except UnicodeDecodeError:
        raise ReferenceRefused("is not text in UTF-8") from None


async def _receive(body: Body, max_bytes: int) -> bytearray:
    _check_size(body.size or 0, max_bytes)
    received = bytearray()
    async for chunk in body.chunks:
        received += chunk
        _check_size(len(received), max_bytes)
    return received


def _decode(received: bytearray) -> str:
    return received.removeprefix(_BYTE_ORDER_MARK).decode()


def _check_size(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise ReferenceRefused(f"has more than {max_bytes:,} bytes", is_too_large=True)


def _check_encoding(body: Body) -> None:
    if (encoding := (body.content_encoding or "identity").strip().lower()) not in ("identity", "utf-8", "aws-chunked"):
        raise ReferenceRefused(f"is compressed ({encoding[:_MAX_SHOWN_CHARS]!r}): only plain text is read")


def _check_type(body: Body) -> None:
    if not body.content_type:
        return
    kind, _, parameters = body.content_type.lower().partition(";")
    kind = kind.strip()
    if not (kind.startswith("text/") or kind.endswith("+json") or kind in _TEXT_TYPES):
        raise ReferenceRefused(f"is of type {kind[:_MAX_SHOWN_CHARS]!r}, which is no text")
    charset = _CHARSET.search(parameters)
    if charset and charset[1] not in _CHARSETS:
        raise ReferenceRefused(f"is in the character set {charset[1][:_MAX_SHOWN_CHARS]!r}: only UTF-8 is read")
