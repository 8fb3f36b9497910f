"""Model names in the settings: each opens a model or gives one line of error."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import carteiro
from carteiro.models.errors import ModelUnusable
from carteiro.models.interface import ChatModel, EmbeddingModel
from carteiro.models.registry import find_provider, load_providers, open_model
from carteiro.models.settings import ModelSettings


@pytest.mark.parametrize(
    "name", ["gpt-4", "openai:", "local:", "http://127.0.0.1/v1", "azure:x", "local:/no/such", "local:~nobody-here/x"]
)
def test_invalid_model_name_is_reported(name: str) -> None:
    with pytest.raises(ModelUnusable):
        open_model(name, ModelSettings())


def test_missing_engine_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    monkeypatch.delitem(sys.modules, "carteiro.models.local.llamacpp.server", raising=False)
    monkeypatch.delitem(sys.modules, "carteiro.models.local.llamacpp.model", raising=False)
    with pytest.raises(ModelUnusable, match=r"llamacpp:x\.gguf needs xllamacpp: pip install 'carteiro\[llamacpp\]'"):
        open_model("llamacpp:x.gguf", ModelSettings())


def test_every_scheme_opens_the_models_of_its_provider() -> None:
    found = load_providers()
    assert {scheme for provider in found.values() for scheme in (provider.scheme, *provider.aliases)} == set(found)
    for scheme, provider in found.items():
        assert find_provider(f"{scheme}:any") is provider
    assert find_provider("https://host/v1#m") is find_provider("http://host/v1#m")
    assert find_provider("any") is None


LOUD = '''
"""A model that says in capitals what it is asked."""

from carteiro.models.interface import ChatModel
from carteiro.models.prompt import Prompt
from carteiro.models.results import Completion
from carteiro.models.provider import Provider
from carteiro.schemas import Usage


class LoudModel(ChatModel):
    is_small = remote = False
    context_tokens = None

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    async def load(self) -> None: ...

    async def close(self) -> None: ...

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    async def complete(self, prompt: Prompt) -> Completion:
        return Completion(prompt.messages[-1].content.upper(), "stop", Usage())


PROVIDER = Provider(scheme="loud", form="loud:NAME", open=lambda name, *_: LoudModel(name))
'''


@pytest.mark.parametrize("name", ["openai:m", "azure:m", "google:m", "http://host/v1#m"])
async def test_task_that_needs_vectors_gets_an_embedding_model(name: str) -> None:
    settings = ModelSettings(
        openai_api_key="k", azure_openai_api_key="k", azure_openai_endpoint="https://host", gemini_api_key="k"
    )
    embedder, chat = (
        open_model(name, settings, (EmbeddingModel,)),
        open_model(name, settings, (EmbeddingModel, ChatModel)),
    )
    assert (isinstance(embedder, EmbeddingModel), isinstance(embedder, ChatModel)) == (True, False)
    assert (isinstance(chat, EmbeddingModel), isinstance(chat, ChatModel)) == (False, True)
    with pytest.raises(ModelUnusable, match="leave out .api="):
        open_model(f"{name}?api=responses", settings, (EmbeddingModel,))
    await embedder.close()
    await chat.close()


ASK = """
import asyncio
from carteiro.models import registry
from carteiro.models.prompt import Message, Prompt
from carteiro.models.settings import ModelSettings

model = registry.open_model("loud:any", ModelSettings())
completion = asyncio.run(model.complete(Prompt(messages=[Message("user", "good morning")])))
print(registry.__file__, model.name, completion.text, sep="\\n")
"""


def test_new_provider_is_one_module(tmp_path: Path) -> None:
    package = Path(carteiro.__path__[0])
    shutil.copytree(package, tmp_path / "carteiro", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "carteiro/models/providers/loud.py").write_text(LOUD, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    asked = subprocess.run([sys.executable, "-c", ASK], env=environment, cwd=tmp_path, text=True, capture_output=True)
    assert asked.stderr == ""
    file, name, text = asked.stdout.splitlines()
    assert file.startswith(str(tmp_path))
    assert (name, text) == ("loud:any", "GOOD MORNING")
