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
_COMMENT = re.compile(rb"<!--.*?-->\s*", re.DOTALL)
_HTML_START = re.compile(rb"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
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
    if b"%PDF-" in start:
        return PDF
    if start.startswith(b"PK\x03\x04"):
        return DOCX
    if _begins_html(start):
        return HTML
    suffix = _SUFFIXES.get(PurePosixPath(name.partition("?")[0]).suffix.lower())
    if suffix:
        return suffix
    return PLAIN if declared.startswith("text/") or b"\0" not in start else None


def _begins_html(start: bytes) -> bool:
    # A pattern for all comments at once tries each way to divide them: hours for a kilobyte of "<!---->".
    start = start.lstrip()
    while comment := _COMMENT.match(start):
        start = start[comment.end() :]
    return _HTML_START.match(start) is not None
