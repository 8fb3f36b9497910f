import pytest

from carteiro.retrieval.errors import DocumentStoreInvalid
from carteiro.retrieval.stores.factory import create_store


async def test_store_in_a_file_has_a_relative_or_an_absolute_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for url in ("sqlite:///folder/a.sqlite", f"sqlite:///{tmp_path}/b.sqlite"):
        store = create_store(url)
        await store.open()
        assert await store.collections() == []
        await store.close()
    assert (tmp_path / "folder/a.sqlite").exists()
    assert (tmp_path / "b.sqlite").exists()


@pytest.mark.parametrize("url", ["", "sqlite", "sqlite://", "sqlite:///", "sqlite:path", "mysql://root:secret@host/x"])
def test_other_address_is_refused_and_not_repeated(url):
    with pytest.raises(DocumentStoreInvalid, match="address of the store") as refused:
        create_store(url)
    assert "secret" not in str(refused.value)
