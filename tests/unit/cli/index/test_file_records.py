"""Files as documents."""

import base64
import json
import os
from pathlib import Path

import pytest

from carteiro.cli.index.file_records import FileUnusable, find_files, read_file
from tests.unit.retrieval.readers.sample_files import docx, pdf


def test_folder_gives_its_files_of_known_kinds(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("a/z.MD", "a/b/one.pdf", "a/image.png", "a/two.docx", "loose.log"):
        (tmp_path / name).write_text("x")
    found = [path.relative_to(tmp_path).as_posix() for path in find_files([tmp_path / "a", tmp_path / "loose.log"])]
    assert found == ["a/b/one.pdf", "a/two.docx", "a/z.MD", "loose.log"]


def test_folder_gives_what_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o755)
    for folder, mode in (("docs/closed", 0), ("docs/names", 0o644)):
        Path(folder).mkdir(parents=True)
        Path(folder, "a.md").write_text("x")
        Path(folder).chmod(mode)
    user = os.geteuid()
    os.seteuid(user or 65534)  # Root may read all.
    try:
        for path in find_files([Path("docs")]):
            with pytest.raises(FileUnusable, match="Permission denied"):
                read_file(path, {}, 1000)
        assert [path.as_posix() for path in find_files([Path("docs")])] == ["docs/closed", "docs/names/a.md"]
    finally:
        os.seteuid(user)


def test_text_is_sent_as_text_and_its_path_is_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("café.md").write_bytes("\ufeff# É".encode())
    record = read_file(Path("café.md"), {"team": "a"}, 1000)
    assert record.key.decode() == "café.md"
    assert json.loads(record.value) == {
        "text": "# É",
        "media_type": "text/markdown",
        "uri": "café.md",
        "fields": {"team": "a"},
    }


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("a.pdf", pdf("Text"), "application/pdf"),
        ("a.docx", docx("Text"), "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("a.html", b"<p>Text</p>", "text/html"),
        ("a.txt", "é".encode("latin-1"), "text/plain"),
    ],
)
def test_other_files_are_sent_as_bytes(tmp_path: Path, name: str, data: bytes, kind: str) -> None:
    (tmp_path / name).write_bytes(data)
    document = json.loads(read_file(tmp_path / name, {}, 100_000).value)
    assert (base64.b64decode(document["data"]), document["media_type"]) == (data, kind)
    assert "fields" not in document


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (None, "cannot be read (No such file or directory)"),
        (b"", "is empty"),
        (b" \n", "is blank"),
        (b"\0\1", "is no text, Markdown, HTML, PDF or .docx document"),
        (b"a" * 101, "has 101 bytes as a record, more than 100"),
        (b"a" * 100, "bytes as a record, more than 100"),
    ],
)
def test_file_that_cannot_be_sent_says_why(tmp_path: Path, data: bytes | None, reason: str) -> None:
    if data is not None:
        (tmp_path / "file").write_bytes(data)
    with pytest.raises(FileUnusable) as caught:
        read_file(tmp_path / "file", {}, 100)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (b"\xff.md", "its name cannot be that of a document: key: has a character"),
        (b"a/" * 600 + b"a.md", "its name cannot be that of a document: key: 1204 bytes"),
        (b"a" * 300, "cannot be read (File name too long)"),
        (b"/dev/zero", "as a record, more than 100"),
    ],
)
def test_strange_file_says_why(name: bytes, reason: str) -> None:
    (path,) = find_files([Path(os.fsdecode(name))])
    with pytest.raises(FileUnusable) as caught:
        read_file(path, {}, 100)
    assert reason in str(caught.value)
