"""An append-only file that survives the death of its writer."""

import pytest

from carteiro.cli.bulk.journal import JobFailed, Journal


@pytest.mark.parametrize("rest", [b"", b"{", b"x" * 200_000])
@pytest.mark.parametrize("whole", [b"", b'{"a": 1}\n', b"x" * 100_000 + b"\n" + b"y" * 70_000 + b"\n"])
def test_torn_line_is_cut_off_and_the_next_line_is_separate(tmp_path, whole, rest):
    path = tmp_path / "journal"
    path.write_bytes(whole + rest)
    journal = Journal(path)
    assert b"".join(line for _, line in journal.lines()) == path.read_bytes() == whole
    journal.append(b"next", durable=True)
    assert path.read_bytes() == whole + b"next\n", "before it is closed"
    assert [line for _, line in journal.lines()][-1] == b"next\n"
    journal.append(b"last")
    journal.close()
    assert path.read_bytes() == whole + b"next\nlast\n"


def test_lines_are_numbered(tmp_path):
    (tmp_path / "journal").write_bytes(b"a\nb\n")
    assert list(Journal(tmp_path / "journal").lines()) == [(1, b"a\n"), (2, b"b\n")]


def test_second_writer_is_rejected(tmp_path):
    first = Journal(tmp_path / "journal")
    with pytest.raises(JobFailed, match="another carteiro is at work on it"):
        Journal(tmp_path / "journal")
    first.close()
    Journal(tmp_path / "journal").close()


def test_file_that_cannot_be_opened_is_reported(tmp_path):
    with pytest.raises(JobFailed, match=f"{tmp_path}: Is a directory"):
        Journal(tmp_path)
