"""Records of files: their bytes or text as documents of a collection."""

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from carteiro.retrieval.document import FieldValue
from carteiro.retrieval.readers.file_text import MARKDOWN, PLAIN, known_media_type
from carteiro.schemas.document import DocumentRecord

_FILE_SUFFIXES = frozenset({".docx", ".htm", ".html", ".markdown", ".md", ".pdf", ".text", ".txt", ".xhtml"})
"""Suffixes of the files that are taken out of a folder."""


class FileUnusable(Exception):
    """A file cannot be sent. The message says why."""


@dataclass(frozen=True, slots=True)
class FileRecord:
    """Key and value of the record of a file."""

    key: bytes
    value: bytes


def find_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the files, and those in the folders that have a known suffix, in the order of their names."""
    for path in paths:
        if path.is_dir():
            yield from sorted(
                each for each in path.rglob("*") if each.suffix.lower() in _FILE_SUFFIXES and each.is_file()
            )
        else:
            yield path


def read_file(path: Path, fields: dict[str, FieldValue], max_bytes: int) -> FileRecord:
    """Return the record of a file. Raise `FileUnusable`."""
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= max_bytes else b""
    except OSError as error:
        raise FileUnusable(f"cannot be read ({error.strerror})") from None
    if not data:
        raise FileUnusable(_too_large(size, max_bytes) if size else "is empty")
    kind = known_media_type(data, name=path.name)
    if kind is None:
        raise FileUnusable("is no text, Markdown, HTML, PDF or .docx document")
    key = path.as_posix()
    try:
        text = data.decode("utf-8-sig") if kind in (PLAIN, MARKDOWN) else None
    except UnicodeDecodeError:
        text = None  # It is in another character set, which the worker recognizes.
    encoded = None if text is not None else base64.b64encode(data).decode()
    try:
        document = DocumentRecord(text=text, data=encoded, media_type=kind, uri=key, fields=dict(fields) or None)
    except ValueError:
        raise FileUnusable("is blank") from None
    value = document.model_dump_json(exclude_none=True).encode()
    if len(value) > max_bytes:
        raise FileUnusable(_too_large(len(value), max_bytes))
    return FileRecord(key.encode("utf-8", "replace"), value)


def _too_large(size: int, max_bytes: int) -> str:
    return (
        f"has {size:,} bytes as a record, more than {max_bytes:,}: put it into a bucket and send its address, or raise "
        "CARTEIRO_MAX_PRODUCE_BYTES and the topic's max.message.bytes"
    )
