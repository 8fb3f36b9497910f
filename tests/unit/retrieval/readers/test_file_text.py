import pytest

from carteiro.retrieval.readers.file_text import DOCX, HTML, MARKDOWN, PDF, PLAIN, known_media_type


@pytest.mark.parametrize(
    ("data", "media_type", "name", "kind"),
    [
        (b"text", "text/plain; charset=utf-8", "", PLAIN),
        (b"text", "Text/Markdown", "a.pdf", MARKDOWN),
        (b"text", "application/xhtml+xml", "", HTML),
        (b"%PDF-1.7 ...", "application/octet-stream", "", PDF),
        (b"\n%PDF-1.7 ...", "", "x.txt", PDF),
        (b"PK\x03\x04...", "", "", DOCX),
        (b"PK\x03\x04...", "application/zip", "", DOCX),
        (b"\n<!-- c --><!DOCTYPE HTML><p>", "", "", HTML),
        # A pattern for all comments at once takes hours for this.
        (b"<!---->" * 146 + b"x", "", "", PLAIN),
        (b"<!-- a --> <!-- b -->\n<html lang='en'>", "", "", HTML),
        (b"<?xml version='1.0'?>\n<!DOCTYPE html PUBLIC ''>", "", "", HTML),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><text>a</text></svg>", "", "logo.svg", None),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- c -->\n<!DOCTYPE svg PUBLIC ''>\n<svg>", "", "a.txt", None),
        (b"<svg/>", "text/plain", "", PLAIN),
        (b"<p>About <svg> in pages</p>", "", "", PLAIN),
        (b"{\\rtf1\\ansi a}", "", "a.rtf", None),
        (b"no NUL", "image/png", "", None),
        (b"# Title", "", "https://host/folder.x/README.MD?version=2", MARKDOWN),
        (b"# Title", "binary/octet-stream", "", PLAIN),
        (b"a,b", "text/csv", "", PLAIN),
        (b"", "", "", PLAIN),
        (b"\x89PNG\r\n\0\0", "image/png", "a", None),
        (b"\0\0", "application/octet-stream", "", None),
    ],
)
def test_media_type_is_declared_or_found(data, media_type, name, kind):
    assert known_media_type(data, media_type, name) == kind
