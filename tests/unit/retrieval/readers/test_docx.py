import io
import zipfile

import pytest

from carteiro.retrieval.readers import docx as docx_reader
from carteiro.retrieval.readers.docx import read_docx
from carteiro.retrieval.readers.errors import FileRejected
from tests.unit.retrieval.readers.sample_files import docx, table_row

ENTITIES = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>'


def test_paragraphs_headings_and_tables_are_read():
    data = docx(
        ("Titel", "Guide"), "First <line> & more é.", ("berschrift1", "Leave"), "25 days.", table=table_row("a", "b")
    )
    assert read_docx(data).text == "# Guide\n\nFirst <line> & more é.\n\n# Leave\n\n25 days.\n\na\n\nb"


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", docx("x")[:300], docx(document="<w:document"), docx(document="")])
def test_damaged_document_is_rejected(data):
    with pytest.raises(FileRejected, match="damaged") as rejected:
        read_docx(data)
    assert rejected.value.code == "unreadable"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_document_with_entities_is_rejected(encoding):
    with pytest.raises(FileRejected, match="entities"):
        read_docx(docx(document=ENTITIES.encode(encoding)))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_document_with_entities_behind_a_long_comment_is_rejected(encoding):
    late = ENTITIES.replace("<!DOCTYPE", f"<!-- <x>{'y' * 2_000_000} --><!DOCTYPE")
    with pytest.raises(FileRejected, match="entities"):
        read_docx(docx(document=late.encode(encoding)))


def test_document_with_entities_under_any_name_is_rejected():
    buffer = io.BytesIO(docx("x"))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("word/document.bin", ENTITIES)
    with pytest.raises(FileRejected, match="entities"):
        read_docx(buffer.getvalue())


def test_archive_that_unpacks_to_much_is_rejected(monkeypatch):
    with pytest.raises(FileRejected, match="unpacked") as rejected:
        read_docx(docx("x", bomb=b" " * (docx_reader._MAX_MEMBER_BYTES + 1)))
    assert rejected.value.code == "too_large"
    monkeypatch.setattr(docx_reader, "_MAX_MEMBERS", 4)
    with pytest.raises(FileRejected, match="files in it"):
        read_docx(docx("x"))
