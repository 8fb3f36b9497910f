import pytest

from carteiro.retrieval.readers import plain
from carteiro.retrieval.readers.errors import FileRejected
from carteiro.retrieval.readers.plain import decode_text, read_plain


@pytest.mark.parametrize(
    ("data", "charset"),
    [
        ("é 東".encode(), ""),
        ("é 東".encode("utf-8-sig"), ""),
        ("é 東".encode("utf-16"), ""),
        ("é 東".encode("utf-32"), "utf-8"),
        ("é 東".encode("gb18030"), "GB18030"),
    ],
)
def test_text_is_decoded(data, charset):
    assert decode_text(data, charset) == "é 東"


@pytest.mark.parametrize(
    ("data", "charset", "reason"),
    [
        (b"caf\xe9", "", "not in UTF-8"),
        (b"caf\xe9", "ascii", "not in UTF-8"),
        (b"text", "unknown", "charset of the media type"),
        (b"text", "zlib", "charset of the media type"),
        (b"text-", "Punycode", "charset of the media type"),
        (b"text", "idna", "charset of the media type"),
        (b"text", "a\0b", "charset of the media type|not in UTF-8"),
    ],
)
def test_text_in_another_encoding_is_rejected(data, charset, reason):
    with pytest.raises(FileRejected, match=reason) as rejected:
        decode_text(data, charset)
    assert rejected.value.code == "unreadable"


def test_line_ends_are_alike_and_form_feeds_begin_pages():
    text = read_plain(b"one\r\ntwo\rthree\fpage two\f")
    assert text.text == "one\ntwo\nthree\fpage two\f"
    assert text.page_starts == (0, 14, 23)
    assert read_plain(b"one").page_starts == ()


def test_too_many_form_feeds_begin_no_pages(monkeypatch):
    monkeypatch.setattr(plain, "MAX_PAGES", 3)
    assert read_plain(b"a\fb\fc").page_starts == (0, 2, 4)
    assert read_plain(b"a\fb\fc\fd").page_starts == ()
