"""HTML: the visible text, with headings and lists as in Markdown."""

import re
from html.parser import HTMLParser

from carteiro.retrieval.readers.errors import FileRejected
from carteiro.retrieval.readers.file_text import FileText
from carteiro.retrieval.readers.plain import decode_text

_HIDDEN = frozenset("script style template noscript svg math iframe object select button nav".split())
_BLOCKS = frozenset(
    "address article aside blockquote body caption center dd details dialog div dl dt fieldset figcaption figure footer"
    " form header hgroup hr html legend main menu ol p section summary table tbody tfoot thead ul".split()
)
_OPEN_ENDED = frozenset(
    "area base br col embed hr img input link meta source track wbr"
    " body colgroup dd dt head html li optgroup option p rp rt tbody td tfoot th thead tr".split()
)
"""Elements that may have no end tag, so that the end of a hidden one would not be found."""
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w-]{1,40})""", re.IGNORECASE)
_META_BYTES = 4096
_MAX_TITLE_CHARACTERS = 1000


def read_html(data: bytes, charset: str = "") -> FileText:
    """Return the text of a page."""
    if not charset and (found := _CHARSET.search(data[:_META_BYTES])):
        charset = found[1].decode("ascii")
    try:
        return text_of_html(decode_text(data, charset))
    except FileRejected:
        # Browsers, too, take a page without a charset that is not UTF-8 for this one.
        return text_of_html(data.decode("cp1252", "replace"))


def text_of_html(markup: str) -> FileText:
    """Return the text of a page that is decoded."""
    parser = _TextParser()
    parser.feed(markup)
    parser.close()
    return FileText(parser.text, parser.title)


class _TextParser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[str] = []
        self._hidden: list[str] = []
        self._title_parts: list[str] | None = None
        self._preformatted = 0
        self._break = 0
        """Line breaks to write before the next text, 0 to 2."""
        self.title = ""

    @property
    def text(self) -> str:
        return "".join(self._parts).strip()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "title" and not self.title:
            self._title_parts = []
        elif tag in _HIDDEN or (tag not in _OPEN_ENDED and any(name == "hidden" for name, _ in attrs)):
            self._hidden.append(tag)
        elif self._hidden:
            if tag == self._hidden[-1]:
                self._hidden.append(tag)
        else:
            self._open(tag)

    def _open(self, tag: str) -> None:
        if level := _HEADINGS.get(tag):
            self._end_block(2)
            self._write("#" * level + " ")
        elif tag in ("br", "tr"):
            self._end_block(1)
        elif tag == "li":
            self._end_block(1)
            self._write("- ")
        elif tag in ("td", "th"):
            self._write(" | " if self._break == 0 else "")
        elif tag == "pre":
            self._end_block(2)
            self._preformatted += 1
        elif tag in _BLOCKS:
            self._end_block(2)

    def handle_endtag(self, tag: str) -> None:
        if tag == "title" and self._title_parts is not None:
            self.title = " ".join("".join(self._title_parts).split())[:_MAX_TITLE_CHARACTERS]
            self._title_parts = None
        elif self._hidden:
            if tag == self._hidden[-1]:
                self._hidden.pop()
        elif tag == "pre":
            self._preformatted = max(self._preformatted - 1, 0)
            self._end_block(2)
        elif tag in _HEADINGS or tag in _BLOCKS:
            self._end_block(2)
        elif tag in ("li", "tr"):
            self._end_block(1)

    def handle_data(self, data: str) -> None:
        if self._title_parts is not None:
            self._title_parts.append(data)
        elif self._hidden or (not self._preformatted and not data.strip() and self._break):
            return
        elif self._preformatted:
            self._write(data)
        else:
            words = " ".join(data.split())
            before = " " if data[:1].isspace() and self._break == 0 else ""
            self._write(before + words + (" " if words and data[-1:].isspace() else ""))

    def _end_block(self, breaks: int) -> None:
        self._break = max(self._break, breaks)

    def _write(self, text: str) -> None:
        if not text:
            return
        if self._break:
            if self._parts:
                self._parts[-1] = self._parts[-1].rstrip(" ")
                self._parts.append("\n" * self._break)
            self._break = 0
            text = text.lstrip(" ") if not self._preformatted else text
        elif text.startswith(" ") and self._parts and self._parts[-1].endswith((" ", "\n")):
            text = text.lstrip(" ")
        self._parts.append(text)
