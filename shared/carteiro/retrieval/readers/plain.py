"""Plain text and Markdown."""

import codecs
import re

from carteiro.retrieval.document import MAX_PAGES
from carteiro.retrieval.readers.errors import FileRejected
from carteiro.retrieval.readers.file_text import FileText

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Encodings by the mark at the start. UTF-32's mark begins with that of UTF-16, so it stands first."""
_SLOW_CODECS = frozenset({"idna", "punycode"})
"""Codecs of names of hosts, whose time grows with the square of the length."""
_FORM_FEED = re.compile("\f")


def decode_text(data: bytes, charset: str = "") -> str:
    """Return the text of bytes in their charset, or in the encoding of their mark, or in UTF-8.

    Raise `FileRejected` if they are in none of these.
    """
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), charset or "utf-8")
    try:
        codec = codecs.lookup(encoding)
        # Codecs such as `zlib` are no charsets, and give bytes.
        is_charset = codec._is_text_encoding and codec.name not in _SLOW_CODECS  # noqa: SLF001
        text = str(data, encoding) if is_charset else None
    except LookupError:
        text = None
    except ValueError:
        reason = "the text is not in UTF-8, and its media type names no other charset that fits: save it in UTF-8"
        raise FileRejected(reason) from None
    if text is None:
        raise FileRejected("the charset of the media type is not known")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_plain(data: bytes, charset: str = "") -> FileText:
    """Return the text of a plain text or of Markdown. Form feeds begin pages, unless there are too many."""
    text = decode_text(data, charset)
    if text.count("\f") >= MAX_PAGES:
        return FileText(text)
    ends = tuple(found.end() for found in _FORM_FEED.finditer(text))
    return FileText(text, page_starts=(0, *ends) if ends else ())
