import pytest

from carteiro.settings.environment import SettingsInvalid, load_settings


def test_defaults_are_those_of_the_docs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CARTEIRO_BOOTSTRAP_SERVERS", "CARTEIRO_MODEL"):
        monkeypatch.delenv(name, raising=False)
    settings, models = load_settings()
    assert settings.bootstrap_servers == "localhost:9092"
    assert (settings.http_port, settings.grace_seconds, settings.topic_prefix) == (8080, 30, "llm")
    assert models.timeout == 120


def test_every_wrong_variable_is_named_and_no_value_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTEIRO_HTTP_PORT", "s3cret")
    monkeypatch.setenv("CARTEIRO_LOG_FORMAT", "s3cret")
    with pytest.raises(SettingsInvalid) as caught:
        load_settings()
    lines = str(caught.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["CARTEIRO_HTTP_PORT", "CARTEIRO_LOG_FORMAT"]
    assert "s3cret" not in str(caught.value)
    assert "Input should" not in str(caught.value)
    assert lines[0] == "CARTEIRO_HTTP_PORT: must be a whole number"


def test_secrets_are_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-123456")
    monkeypatch.setenv("CARTEIRO_SASL_PASSWORD", "hunter2")
    settings, models = load_settings()
    assert "sk-123456" not in repr(models)
    assert "hunter2" not in repr(settings)


def test_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CARTEIRO_SPEND_PER_DAY_USD", "CARTEIRO_MAX_IN_FLIGHT", "CARTEIRO_SASL_PASSWORD_FILE"):
        monkeypatch.setenv(name, "")
    settings, _ = load_settings()
    assert (settings.spend_per_day_usd, settings.max_in_flight, settings.sasl_password_file) == (None, 64, None)
