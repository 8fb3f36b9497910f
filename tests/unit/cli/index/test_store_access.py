"""A command whose store is away."""

import pytest

from carteiro.cli.index.store_access import with_store
from carteiro.retrieval.store import DocumentStore
from carteiro.retrieval.stores.postgres import database
from carteiro.settings.worker import WorkerSettings


async def list_names(store: DocumentStore) -> list[str]:
    return [each.name for each in await store.collections()]


@pytest.mark.parametrize("scheme", ["postgresql", "qdrant"])
def test_store_that_is_away_is_one_line_without_its_address(
    scheme: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    recwarn: pytest.WarningsRecorder,
) -> None:
    monkeypatch.setattr(database, "_CONNECT_SECONDS", 1)
    monkeypatch.setenv("CARTEIRO_STORE", f"{scheme}://user:secret@127.0.0.1:1/x")
    with pytest.raises(SystemExit) as exit_info, caplog.at_level("INFO"):
        with_store(WorkerSettings(), list_names)
    assert exit_info.value.code == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("carteiro: the store of documents (CARTEIRO_STORE) is away: ")
    assert "secret" not in lines[0]
    assert (caplog.records, recwarn.list) == ([], [])
