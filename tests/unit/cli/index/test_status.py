from carteiro.cli.index.status import error_line
from carteiro.retrieval.document import DocumentError, Version


def test_key_of_a_document_cannot_control_the_terminal():
    version = Version("docs", 2, 7, 0)
    error = DocumentError("a\x1b]0;b", version, "unreadable", "data: the file is damaged")
    assert error_line("c", error) == "c  a\\x1b]0;b  unreadable  data: the file is damaged  (docs/2/7)"
