import pytest

from carteiro.settings.environment import load_settings
from carteiro.settings.worker import task_models


def test_model_of_a_task_is_its_own_or_the_common_one(monkeypatch: pytest.MonkeyPatch) -> None:
    settings, _ = load_settings()
    assert task_models("chat", settings, "local:default") == ["local:default"]
    monkeypatch.setenv("CARTEIRO_MODEL", "openai:all")
    settings, _ = load_settings()
    assert task_models("chat", settings, "local:default") == ["openai:all"]
    monkeypatch.setenv("CARTEIRO_CHAT_MODEL", " openai:chat, local:chat,openai:chat,")
    assert task_models("chat", settings, "local:default") == ["openai:chat", "local:chat"]
    assert task_models("translate", settings, "local:default") == ["openai:all"]
