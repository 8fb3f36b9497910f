"""Keys of documents to remove."""

import pytest

from carteiro.cli.index.removal import remove_documents


@pytest.mark.parametrize("key", ["", "caf\udce9.md", "x" * 1025])
def test_key_that_no_document_has_is_not_sent(key: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as ended:
        remove_documents(["one.md", key], "docs", as_json=False)
    assert ended.value.code == 2
    assert "no document has this key" in capsys.readouterr().err
