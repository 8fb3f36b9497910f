import io
import zlib

import pytest
from pypdf import PdfReader, PdfWriter

from carteiro.retrieval.readers import pdf as pdf_reader
from carteiro.retrieval.readers.errors import FileRejected
from carteiro.retrieval.readers.pdf import read_pdf
from tests.unit.retrieval.readers.sample_files import pdf


def encrypted(password: str, algorithm: str) -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf("Secret page."))))
    writer.encrypt(password, "owner", algorithm=algorithm)
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def test_pages_are_read_with_their_starts():
    read = read_pdf(pdf("Page one.", "", "Page thr\xe9e.", title="The guide"), 1000)
    assert read.text == "Page one.\n\n\n\nPage thrée."
    assert [read.text[start:][:6] for start in read.page_starts] == ["Page o", "\n\nPage", "Page t"]
    assert read.title == "The guide"


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-256"])
def test_encrypted_pdf_is_rejected_unless_its_password_is_empty(algorithm):
    assert read_pdf(encrypted("", algorithm), 1000).text == "Secret page."
    with pytest.raises(FileRejected, match="password") as rejected:
        read_pdf(encrypted("hidden", algorithm), 1000)
    assert rejected.value.code == "unreadable"


def test_pictures_only_are_rejected_by_what_to_do():
    with pytest.raises(FileRejected, match="recognised"):
        read_pdf(pdf("", ""), 1000)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"%PDF-1.7",
        b"%PDF-1.7\n" + b"\0" * 1000,
        pdf("x")[:200],
        pdf("x").replace(b"/Pages 2 0 R", b"/Pages 1 0 R"),
    ],
)
def test_damaged_pdf_is_rejected(data):
    with pytest.raises(FileRejected, match="damaged|no text") as rejected:
        read_pdf(data, 1000)
    assert rejected.value.code == "unreadable"


def test_too_many_pages_or_characters_are_rejected(monkeypatch):
    assert read_pdf(pdf("x" * 100), 100).text == "x" * 100
    with pytest.raises(FileRejected, match="99 characters") as rejected:
        read_pdf(pdf("x" * 100), 99)
    assert rejected.value.code == "too_large"
    monkeypatch.setattr(pdf_reader, "MAX_PAGES", 2)
    with pytest.raises(FileRejected, match="pages") as rejected:
        read_pdf(pdf("a", "b", "c"), 1000)
    assert rejected.value.code == "too_large"


def test_page_that_unpacks_to_much_is_rejected():
    bomb = zlib.compress(b"BT (x) Tj ET " + b" " * 200_000_000)
    with pytest.raises(FileRejected, match="unpacked") as rejected:
        read_pdf(pdf(streams=(bomb,)), 1000)
    assert rejected.value.code == "too_large"
