import pytest

from carteiro.worker.settings import SettingsInvalid, load_settings, task_models


def test_the_defaults_are_those_of_the_docs(monkeypatch):
    for name in ("CARTEIRO_BOOTSTRAP_SERVERS", "CARTEIRO_MODEL"):
        monkeypatch.delenv(name, raising=False)
    settings, models = load_settings()
    assert settings.bootstrap_servers == "localhost:9092"
    assert (settings.http_port, settings.grace_seconds, settings.topic_prefix) == (8080, 30, "llm")
    assert models.timeout == 120


def test_each_wrong_variable_is_named_and_no_value_is_shown(monkeypatch):
    monkeypatch.setenv("CARTEIRO_HTTP_PORT", "s3cret")
    monkeypatch.setenv("CARTEIRO_LOG_FORMAT", "s3cret")
    with pytest.raises(SettingsInvalid) as caught:
        load_settings()
    lines = str(caught.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["CARTEIRO_HTTP_PORT", "CARTEIRO_LOG_FORMAT"]
    assert "s3cret" not in str(caught.value)


def test_secrets_are_not_printed(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-123456")
    monkeypatch.setenv("CARTEIRO_SASL_PASSWORD", "hunter2")
    settings, models = load_settings()
    assert "sk-123456" not in repr(models)
    assert "hunter2" not in repr(settings)


def test_which_model_a_task_gets(monkeypatch):
    settings, _ = load_settings()
    assert task_models("chat", settings, "local:default") == ["local:default"]
    monkeypatch.setenv("CARTEIRO_MODEL", "openai:all")
    settings, _ = load_settings()
    assert task_models("chat", settings, "local:default") == ["openai:all"]
    monkeypatch.setenv("CARTEIRO_CHAT_MODEL", " openai:chat, local:chat,openai:chat,")
    assert task_models("chat", settings, "local:default") == ["openai:chat", "local:chat"]
    assert task_models("translate", settings, "local:default") == ["openai:all"]
