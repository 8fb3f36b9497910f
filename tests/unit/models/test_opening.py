"""From a name in the settings to a model, or to one line that says why not."""

import sys

import pytest

from carteiro.models.failures import ModelUnusable
from carteiro.models.opening import open_model
from carteiro.models.settings import ModelSettings


@pytest.mark.parametrize(
    "name", ["gpt-4", "openai:", "local:", "http://127.0.0.1/v1", "azure:x", "local:/no/such", "local:~nobody-here/x"]
)
def test_a_name_that_is_no_model(name):
    with pytest.raises(ModelUnusable):
        open_model(name, ModelSettings())


def test_an_engine_that_is_not_installed_is_named_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    monkeypatch.delitem(sys.modules, "carteiro.models.engines.llama_server", raising=False)
    monkeypatch.delitem(sys.modules, "carteiro.models.engines.llamacpp", raising=False)
    with pytest.raises(ModelUnusable, match=r"llamacpp:x\.gguf needs xllamacpp: pip install 'carteiro\[llamacpp\]'"):
        open_model("llamacpp:x.gguf", ModelSettings())
