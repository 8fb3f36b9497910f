"""Opening of engines."""

import importlib
from types import SimpleNamespace
from typing import Any

import pytest

from carteiro.models.errors import ModelUnusable
from carteiro.models.local.engine_factory import open_engine_model
from carteiro.models.settings import ModelSettings


def test_engine_gets_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[tuple[Any, ...]] = []
    engine = SimpleNamespace(open_model=lambda *given: opened.append(given) or "model")
    monkeypatch.setattr(importlib, "import_module", lambda _: engine)
    settings = ModelSettings(CARTEIRO_MODEL_TIMEOUT_SECONDS=7, CARTEIRO_LOCAL_THREADS=3)
    assert open_engine_model("llamacpp:x", "x", settings, engine="llamacpp") == "model"
    assert opened == [("llamacpp:x", "x", 7, 3)]


def test_missing_engine_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        assert name == "carteiro.models.local.openvino.model"
        raise ModuleNotFoundError("No module named 'openvino_genai'", name="openvino_genai")

    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(ModelUnusable, match=r"openvino:x needs openvino_genai: pip install 'carteiro\[openvino\]'"):
        open_engine_model("openvino:x", "x", ModelSettings(), engine="openvino")
