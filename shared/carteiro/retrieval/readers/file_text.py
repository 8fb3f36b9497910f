"""The text of a file, and its media type."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

PLAIN, MARKDOWN, HTML, PDF = "text/plain", "text/markdown", "text/html", "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"

_ALIASES = {"application/xhtml+xml": HTML, "text/x-markdown": MARKDOWN, "application/x-pdf": PDF}
_SUFFIXES = {
    ".txt": PLAIN,
    ".text": PLAIN,
    ".md": MARKDOWN,
    ".markdown": MARKDOWN,
    ".htm": HTML,
    ".html": HTML,
    ".xhtml": HTML,
    ".pdf": PDF,
    ".docx": DOCX,
}
_COMMENT = re.compile(rb"(?:\xef\xbb\xbf)?(?:<!--.*?-->|<\?xml\b.*?\?>)\s*", re.DOTALL)
"""A comment, or the declaration before the first element of XML."""
_HTML_START = re.compile(rb"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_NO_TEXT_START = re.compile(rb"<(?:!doctype\s+svg|svg)\b|\{\\rtf", re.IGNORECASE)
"""Beginning of a drawing (SVG) or of a document (RTF) that is written in characters, and is no text to read."""
_NO_TEXT_TYPES = ("image/", "audio/", "video/", "font/")
_START_BYTES = 1024


@dataclass(frozen=True, slots=True)
class FileText:
    """The text of a file. Headings are marked as in Markdown. `page_starts` is as in `Document`."""

    text: str
    title: str = ""
    page_starts: tuple[int, ...] = ()


def known_media_type(data: bytes, media_type: str = "", name: str = "") -> str | None:
    """Return the media type by which a file is read; None if there is no reader for it.

    `media_type` counts first, then the start of the file, then the suffix of its `name`.
    """
    declared = media_type.partition(";")[0].strip().lower()
    declared = _ALIASES.get(declared, declared)
    if declared in _SUFFIXES.values():
        return declared
    start = data[:_START_BYTES]
    if b"%PDF-" in start or start.startswith(b"PK\x03\x04"):
        return PDF if b"%PDF-" in start else DOCX
    first = _after_comments(start)
    if _HTML_START.match(first):
        return HTML
    if _NO_TEXT_START.match(first) or declared.startswith(_NO_TEXT_TYPES):
        return None
    if suffix := _SUFFIXES.get(PurePosixPath(name.partition("?")[0]).suffix.lower()):
        return suffix
    return PLAIN if declared.startswith("text/") or b"\0" not in start else None


def _after_comments(start: bytes) -> bytes:
    # A pattern for all comments at once tries each way to divide them: hours for a kilobyte of "<!---->".
    start = start.lstrip()
    while comment := _COMMENT.match(start):
        start = start[comment.end() :]
    return start
