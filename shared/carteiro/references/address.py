"""Addresses of texts, in a form in which two spellings of one place are equal."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Literal, get_args
from urllib.parse import unquote

from carteiro.references.errors import AddressInvalid

ObjectScheme = Literal["s3", "gs", "az"]
OBJECT_SCHEMES = get_args(ObjectScheme)
"""Schemes of buckets: Amazon S3 and what speaks its API, Google Cloud Storage, Azure Blob Storage."""
_SCHEMES = (*OBJECT_SCHEMES, "https", "file")
_HTTPS_PORT = 443
_MAX_PORT = 65535
_MAX_KEY_BYTES = 1024
"""Longest key of an object in all three stores."""
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
_AUTHORITY = re.compile(r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9._-]*[a-z0-9])?)(:(?P<port>[0-9]{1,5}))?")
_NUMERIC_HOST = re.compile(r"(.*\.)?(0x[0-9a-f]*|[0-9]+)")
"""A host that ends in a number is an IPv4 address (WHATWG URL, "ends in a number"), in any of its spellings."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NOT_IN_URL = re.compile(r"[^!$-;=?-Z_a-z~\[\]]")
"""Characters that a URL has only percent-encoded (RFC 3986), among them the backslash and the fragment's `#`."""
_BROKEN_ENCODING = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ENCODED_TWICE = re.compile(r"%[0-9A-Fa-f]{2}")
_ENCODED_SEPARATOR = re.compile(r"%(2f|5c)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Address:
    """Place of a text.

    Two addresses are compared by scheme, authority and segments. The segments are the path's parts, percent-decoded
    for `https` and `file`.
    """

    scheme: str
    authority: str
    """The bucket, or host and port in lower case without the default port; empty for `file`."""
    segments: tuple[str, ...] = field(repr=False)
    target: str = field(default="", repr=False, compare=False)
    """For `https` the path and the query as they were written. A query may hold a signature, so it is a secret."""

    @property
    def place(self) -> str:
        """The bucket or the host, for logs and errors."""
        return f"{self.scheme}://{self.authority}"

    @property
    def key(self) -> str:
        """The object's key in its bucket, or the path without its first slash."""
        return "/".join(self.segments)

    def contains(self, other: "Address") -> bool:
        """Return True if `other` is this place, or is below it."""
        same_place = (self.scheme, self.authority) == (other.scheme, other.authority)
        return same_place and other.segments[: len(self.segments)] == self.segments


def parse_address(uri: str) -> Address:
    """Return the address of a text. Raise `AddressInvalid`."""
    address = _parse(uri)
    if not address.segments:
        raise AddressInvalid("names no text in it")
    return address


def parse_prefix(uri: str) -> Address:
    """Return the address of a bucket, a host or a folder, or of a part of it. Raise `AddressInvalid`."""
    address = _parse(uri if uri.endswith("//") else uri.removesuffix("/"))
    if "?" in address.target:
        raise AddressInvalid("has a query")
    if address.scheme == "file" and not address.segments:
        raise AddressInvalid("names the whole file system")
    return address


def _parse(uri: str) -> Address:
    if _CONTROL.search(uri) or uri != uri.strip():
        raise AddressInvalid("has control characters, or spaces around it")
    scheme, separator, rest = uri.partition("://")
    scheme = scheme.lower()
    if scheme == "http" and separator:
        raise AddressInvalid("is not encrypted: http:// is not read")
    if scheme not in _SCHEMES or not separator:
        raise AddressInvalid(f"does not begin with {', '.join(f'{each}://' for each in _SCHEMES)}")
    if scheme in OBJECT_SCHEMES:
        return _parse_object(scheme, rest)
    return _parse_file(rest) if scheme == "file" else _parse_https(rest)


def _parse_object(scheme: str, rest: str) -> Address:
    bucket, _, key = rest.partition("/")
    if len(key.encode(errors="surrogatepass")) > _MAX_KEY_BYTES:
        raise AddressInvalid(f"has a key of more than {_MAX_KEY_BYTES} bytes")
    if not _BUCKET.fullmatch(bucket):
        raise AddressInvalid("names no bucket")
    return Address(scheme, bucket, _checked(key.split("/") if key else ()))


def _parse_file(rest: str) -> Address:
    if not rest.startswith("/"):
        raise AddressInvalid("names another machine: file:/// has three slashes")
    if "?" in rest:
        raise AddressInvalid("has a query")
    return Address("file", "", _decoded_segments(rest[1:]))


def _parse_https(rest: str) -> Address:
    authority, path, query = re.fullmatch(r"([^/?]*)([^?]*)(.*)", rest).groups()  # type: ignore[union-attr]
    if "@" in authority:
        raise AddressInvalid("has a user or a password in it")
    if _NOT_IN_URL.search(query):
        raise AddressInvalid("has characters in its query that need to be percent-encoded")
    segments = _decoded_segments(path.removeprefix("/").removesuffix("/") if path != "/" else "")
    return Address("https", _normalise_authority(authority), segments, f"{path or '/'}{query}")


def _normalise_authority(authority: str) -> str:
    found = _AUTHORITY.fullmatch(authority.lower())
    if found is None:
        raise AddressInvalid("names no host: a host is a name in ASCII (xn--...) or an IP address")
    host, port = found["host"], int(found["port"] or _HTTPS_PORT)
    try:
        if host.startswith("["):
            host = f"[{IPv6Address(host[1:-1]).compressed}]"
        elif _NUMERIC_HOST.fullmatch(host):
            host = str(IPv4Address(host))
    except AddressValueError:
        raise AddressInvalid("names a host that looks like an IP address and is not one") from None
    if ".." in host or not 0 < port <= _MAX_PORT:
        raise AddressInvalid("names no host, or no port")
    return host if port == _HTTPS_PORT else f"{host}:{port}"


def _decoded_segments(path: str) -> tuple[str, ...]:
    """Return the segments of a percent-encoded path.

    A path that a server may decode twice, or split elsewhere than here, is refused.
    """
    if _NOT_IN_URL.search(path) or _BROKEN_ENCODING.search(path):
        raise AddressInvalid("has characters in its path that need to be percent-encoded")
    if _ENCODED_SEPARATOR.search(path):
        raise AddressInvalid("has an encoded slash in its path")
    try:
        decoded = unquote(path, errors="strict")
    except UnicodeDecodeError:
        raise AddressInvalid("has a path that is not encoded in UTF-8") from None
    if _ENCODED_TWICE.search(decoded) or _CONTROL.search(decoded) or "\\" in decoded:
        raise AddressInvalid("has a path that is encoded twice, or has control characters or backslashes in it")
    segments = decoded.split("/") if decoded else ()
    # Some servers take what follows a semicolon for a parameter, and so `..;` for `..`.
    _checked([segment.partition(";")[0] for segment in segments])
    return tuple(segments)


def _checked(segments: Sequence[str]) -> tuple[str, ...]:
    if any(segment in ("", ".", "..") for segment in segments):
        raise AddressInvalid("has an empty segment, `.` or `..` in its path")
    return tuple(segments)
