"""The collections, the store and the models of an index worker, from its settings."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from carteiro.models.errors import ModelUnusable
from carteiro.models.settings import ModelSettings
from carteiro.settings.environment import SettingsInvalid
from carteiro.settings.worker import WorkerSettings
from carteiro.worker.composition.collections import (
    INDEX_CHAIN,
    EarlierModels,
    check_waits,
    open_index,
    open_index_model,
)

MODELS = ModelSettings(openai_api_key=SecretStr("sk-none"))


def settings(**values: object) -> WorkerSettings:
    return WorkerSettings.model_validate({"collections": "docs", **values})


def test_settings_without_collections_open_no_store() -> None:
    assert open_index(settings(collections=None, store="nonsense"), MODELS) is None


def test_store_is_a_file_of_this_user_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert WorkerSettings().store_url == f"sqlite:///{tmp_path}/carteiro/documents.sqlite"


def test_wrong_store_is_named_by_its_variable_without_its_password() -> None:
    with pytest.raises(SettingsInvalid, match="^CARTEIRO_STORE: ") as caught:
        open_index(settings(store="mysql://me:secret@host/db"), MODELS)
    assert "secret" not in str(caught.value)


def test_wrong_model_is_named_by_its_variable() -> None:
    with pytest.raises(ModelUnusable, match="^CARTEIRO_INDEX_MODEL: "):
        open_index_model(settings(index_model="nonsense"), MODELS)


@pytest.mark.parametrize(
    ("model", "works"), [("openai:text-embedding-3-small", True), ("http://localhost:1/v1#a", False)]
)
def test_wait_needs_a_model_with_batches(tmp_path: Path, model: str, works: bool) -> None:
    path = tmp_path / "docs.yaml"
    path.write_text("from: shop.articles\nwait: 24h")
    given = settings(collections=str(path), index_model=model, store=f"sqlite:///{tmp_path}/s.sqlite")
    index, models = open_index(given, MODELS), open_index_model(given, MODELS)
    if works:
        check_waits(index, models)
        return
    with pytest.raises(ModelUnusable, match="^CARTEIRO_INDEX_MODEL: docs: wait needs openai: or azure:"):
        check_waits(index, models)


async def test_earlier_model_is_opened_by_its_name(tmp_path: Path) -> None:
    index = open_index(settings(store=f"sqlite:///{tmp_path}/s.sqlite"), MODELS)
    assert index
    earlier = EarlierModels(index.open_model, lambda: None)
    assert await earlier.open("nonsense") is None
    (model,) = open_index_model(settings(index_model="openai:text-embedding-3-small"), MODELS)[INDEX_CHAIN]
    chain = await earlier.open(model.name)
    assert chain
    assert chain.model_names == [model.name]
    assert chain.targets[0].circuit_breaker
    await earlier.close()
