"""Files read in processes of their own, and what hostile files get."""

import asyncio

import pytest

from carteiro.retrieval.readers import file_reader
from carteiro.retrieval.readers.errors import FileRejected
from carteiro.retrieval.readers.file_reader import DocumentFileReader
from carteiro.retrieval.readers.file_text import DOCX, FileText
from tests.unit.retrieval.readers.sample_files import docx, pdf


async def test_files_of_each_kind_are_read():
    reader = DocumentFileReader()
    texts = await asyncio.gather(
        reader.read(b"# Title", "text/markdown"),
        reader.read("<h1>é 東 &#x1F600;</h1>".encode(), "text/html; charset=utf-8"),
        reader.read(pdf("Page one.", "Page two.")),
        reader.read(docx("A paragraph."), DOCX),
        reader.read(docx(("Heading1", "Kitchen handbook"), "A paragraph."), DOCX),
        reader.read(b"<title>Trams</title><h1>Lines</h1>", "text/html"),
    )
    assert texts == [
        FileText("# Title", "Title"),
        FileText("# é 東 \U0001f600", "é 東 \U0001f600"),
        FileText("Page one.\n\nPage two.", page_starts=(0, 11)),
        FileText("A paragraph."),
        FileText("# Kitchen handbook\n\nA paragraph.", "Kitchen handbook"),
        FileText("# Lines", "Trams"),
    ]


@pytest.mark.parametrize(
    ("data", "options", "code", "reason"),
    [
        (b"\x89PNG\0", {}, "unreadable", "no text, Markdown"),
        (b"x" * 11, {"max_characters": 10}, "too_large", "more than 10 characters"),
        (b"<html>" + b"x" * 11, {"max_characters": 10}, "too_large", "more than 10 characters"),
        (b"%PDF-1.4 broken", {}, "unreadable", "damaged"),
    ],
)
async def test_file_that_cannot_be_read_is_rejected_by_its_reason(data, options, code, reason):
    with pytest.raises(FileRejected, match=reason) as rejected:
        await DocumentFileReader().read(data, **options)
    assert rejected.value.code == code


async def test_strange_charset_is_rejected():
    with pytest.raises(FileRejected, match="charset"):
        await DocumentFileReader().read(b"x", 'text/plain; charset="\r\nx: y')
    with pytest.raises(FileRejected, match="charset"):
        await DocumentFileReader().read(b"x", "text/plain; charset=\ud800")


async def test_large_file_is_not_looked_at(monkeypatch):
    monkeypatch.setattr(file_reader, "MAX_FILE_BYTES", 10)
    with pytest.raises(FileRejected, match="11 bytes") as rejected:
        await DocumentFileReader().read(b"x" * 11)
    assert rejected.value.code == "too_large"


@pytest.mark.parametrize(
    ("limit", "work"),
    [("_CPU_SECONDS = 1", "[0 for _ in iter(int, 1)]"), ("_MEMORY_BYTES = 2**20", "[0] * 10**8")],
    ids=["time", "memory"],
)
async def test_file_over_the_limits_of_the_process_is_too_large(limit, work, monkeypatch, tmp_path):
    # A module in the place of the process, with the process's own limits made small.
    (tmp_path / "small_limits.py").write_text(
        "from carteiro.retrieval.readers import process\n"
        f"process.{limit}\n"
        f"process._reader = lambda **_: lambda data: {work}\n"
        "process.main()\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(file_reader, "_MODULE", "small_limits")
    with pytest.raises(FileRejected, match="time or memory|memory") as rejected:
        await DocumentFileReader().read(b"<html>x")
    assert rejected.value.code == "too_large"


async def test_file_that_takes_too_long_is_too_large_and_its_process_ends(monkeypatch, tmp_path):
    (tmp_path / "endless.py").write_text("import time\ntime.sleep(1000)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(file_reader, "_MODULE", "endless")
    monkeypatch.setattr(file_reader, "_WALL_SECONDS", 0.1)
    with pytest.raises(FileRejected, match="too long"):
        await DocumentFileReader().read(b"<html>x")
