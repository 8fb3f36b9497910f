"""Records of files: their bytes or text as documents of a collection."""

import base64
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from carteiro.retrieval.document import FieldValue, check_key
from carteiro.retrieval.errors import DocumentInvalid
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
    """Yield the files, and those in the folders that have a known suffix, in the order of their names.

    Files and folders that cannot be read are among them.
    """
    for path in paths:
        yield from sorted(_files_in(path)) if _is_folder(path) else [path]


def _files_in(folder: Path) -> Iterator[Path]:
    unreadable: list[OSError] = []
    for parent, _, names in os.walk(folder, onerror=unreadable.append):
        paths = (Path(parent, name) for name in names)
        yield from (each for each in paths if each.suffix.lower() in _FILE_SUFFIXES and _may_be_file(each))
    yield from (Path(error.filename) for error in unreadable)


def _may_be_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return True  # `read_file` says why it cannot be read.


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False  # Its name is too long, as `read_file` says.


def read_file(path: Path, fields: Mapping[str, FieldValue], max_bytes: int) -> FileRecord:
    """Return the record of a file. Raise `FileUnusable`."""
    key = path.as_posix()
    try:
        check_key(key)
    except DocumentInvalid as error:
        raise FileUnusable(f"its name cannot be that of a document: {error}") from None
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)  # A device has no size, and no end.
            size = max(os.fstat(file.fileno()).st_size, len(data))
    except OSError as error:
        raise FileUnusable(f"cannot be read ({error.strerror})") from None
    if size > max_bytes:
        raise FileUnusable(_too_large(size, max_bytes))
    if not data:
        raise FileUnusable("is empty")
    kind = known_media_type(data, name=path.name)
    if kind is None:
        raise FileUnusable("is no text, Markdown, HTML, PDF or .docx document")
    try:
        text = data.decode("utf-8-sig") if kind in (PLAIN, MARKDOWN) else None
    except UnicodeDecodeError:
        text = None  # It may have the mark of UTF-16, which the worker knows.
    encoded = None if text is not None else base64.b64encode(data).decode()
    try:
        document = DocumentRecord(text=text, data=encoded, media_type=kind, uri=key, fields=dict(fields) or None)
    except ValueError:
        raise FileUnusable("is blank") from None
    value = document.model_dump_json(exclude_none=True).encode()
    if len(value) > max_bytes:
        raise FileUnusable(_too_large(len(value), max_bytes))
    return FileRecord(key.encode(), value)


def _too_large(size: int, max_bytes: int) -> str:
    return (
        f"has {size:,} bytes as a record, more than {max_bytes:,}: put it into a bucket and send its address, or raise "
        "CARTEIRO_MAX_PRODUCE_BYTES and the topic's max.message.bytes"
    )
