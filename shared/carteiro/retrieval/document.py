"""Documents, and the versions in which they come."""

import math
import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from carteiro.retrieval.errors import DocumentInvalid

FieldValue = str | int | float | bool
"""Value of a document's field, by which searches are filtered."""

MAX_KEY_BYTES = 1024
MAX_TEXT_CHARACTERS = 64 * 1024 * 1024
MAX_TITLE_CHARACTERS = 1024
MAX_URI_CHARACTERS = 8192
MAX_FIELDS = 64
MAX_FIELD_NAME_CHARACTERS = 128
MAX_FIELD_VALUE_CHARACTERS = 1024
MAX_PAGES = 100_000
MAX_INTEGER = 2**53
"""Larger integers are not exact in JSON."""

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""Characters that a store refuses: NUL, and halves of surrogate pairs, which are not UTF-8."""


@dataclass(frozen=True, slots=True)
class Version:
    """The record that brought a document, or its deletion. `timestamp` is in milliseconds, -1 if it is not known."""

    topic: str
    partition: int
    offset: int
    timestamp: int = -1

    def supersedes(self, stored: "Version") -> bool:
        """Return True unless this record is older than the one whose document is stored. An equal one may be repeated.

        Offsets decide in one partition. A later timestamp decides against a higher offset: the topic was created again,
        and its offsets began at zero. Between partitions, or topics, timestamps decide; without them the writer does.
        """
        is_later = self.timestamp > stored.timestamp and stored.timestamp >= 0
        if (self.topic, self.partition) == (stored.topic, stored.partition):
            return self.offset >= stored.offset or is_later
        return min(self.timestamp, stored.timestamp) < 0 or self.timestamp >= stored.timestamp


@dataclass(frozen=True, slots=True)
class Document:
    """A document of a collection. Its key identifies it there."""

    key: str
    text: str
    title: str = ""
    uri: str = ""
    fields: Mapping[str, FieldValue] = field(default_factory=dict)
    page_starts: tuple[int, ...] = ()
    """Index in the text at which each page begins, in ascending order; empty if the document has no pages."""

    def __post_init__(self) -> None:
        """Replace characters that no store keeps, one for one. Raise `DocumentInvalid` for what is over a limit."""
        check_key(self.key)
        for name, limit in (
            ("text", MAX_TEXT_CHARACTERS),
            ("title", MAX_TITLE_CHARACTERS),
            ("uri", MAX_URI_CHARACTERS),
        ):
            value = getattr(self, name)
            if len(value) > limit:
                raise DocumentInvalid(f"{name}: {len(value)} characters are more than {limit}")
            object.__setattr__(self, name, UNSTORABLE.sub("\ufffd", value))
        _check_fields(self.fields)
        object.__setattr__(self, "fields", MappingProxyType(dict(self.fields)))
        _check_pages(self.page_starts, len(self.text))

    def page_at(self, index: int) -> int | None:
        """Return the number of the page, from 1, of a character of the text; None if the document has no pages."""
        return max(bisect_right(self.page_starts, index), 1) if self.page_starts else None


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document as the store has it, and the record that brought it."""

    document: Document
    version: Version


@dataclass(frozen=True, slots=True)
class DocumentError:
    """The reason why a version of a document is not in its collection."""

    key: str
    version: Version
    code: str
    message: str


def check_key(key: str) -> None:
    """Raise `DocumentInvalid` if a text cannot be the key of a document."""
    if not key:
        raise DocumentInvalid("key: is empty")
    if UNSTORABLE.search(key):
        raise DocumentInvalid("key: has a character that no store keeps (NUL, or half of a surrogate pair)")
    if len(key.encode()) > MAX_KEY_BYTES:
        raise DocumentInvalid(f"key: {len(key.encode())} bytes are more than {MAX_KEY_BYTES}")


def _check_fields(fields: Mapping[str, Any]) -> None:
    if len(fields) > MAX_FIELDS:
        raise DocumentInvalid(f"fields: {len(fields)} are more than {MAX_FIELDS}")
    for name, value in fields.items():
        if not name or len(name) > MAX_FIELD_NAME_CHARACTERS or UNSTORABLE.search(name):
            raise DocumentInvalid(
                f"fields: a name is empty, longer than {MAX_FIELD_NAME_CHARACTERS} characters, or has a NUL"
            )
        if reason := _invalid_value(value):
            raise DocumentInvalid(f"fields.{name}: {reason}")


def _invalid_value(value: Any) -> str | None:
    """Return the reason why a value cannot be stored as that of a field."""
    match value:
        case str() if len(value) > MAX_FIELD_VALUE_CHARACTERS:
            return f"{len(value)} characters are more than {MAX_FIELD_VALUE_CHARACTERS}"
        case str() if UNSTORABLE.search(value):
            return "has a character that no store keeps (NUL, or half of a surrogate pair)"
        case int() if abs(value) > MAX_INTEGER:
            return "is an integer of more than 53 bits"
        case float() if not math.isfinite(value):
            return "is not a finite number"
    return None if isinstance(value, str | int | float) else "is not a text, a number or a boolean"


def _check_pages(starts: tuple[int, ...], length: int) -> None:
    if len(starts) > MAX_PAGES:
        raise DocumentInvalid(f"page_starts: {len(starts)} are more than {MAX_PAGES}")
    if any(before > after for before, after in zip((0, *starts), (*starts, length), strict=True)):
        raise DocumentInvalid("page_starts: are not ascending, or are outside the text")
