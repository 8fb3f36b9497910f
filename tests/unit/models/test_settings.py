"""Settings of the models."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from carteiro.models.settings import ModelSettings


def test_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTEIRO_MODEL_TIMEOUT_SECONDS", "")
    monkeypatch.setenv("OPENAI_API_KEY", "")
    settings = ModelSettings()
    assert (settings.timeout, settings.openai_api_key) == (120.0, None)


def test_key_is_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "GEMINI_API_KEY", "CARTEIRO_SERVER_API_KEY"):
        monkeypatch.setenv(name, "sk-secret")
    settings = ModelSettings()
    assert "sk-secret" not in f"{settings!r} {settings} {settings.model_dump_json()}"
    assert settings.openai_api_key is not None
    assert settings.openai_api_key.get_secret_value() == "sk-secret"


def test_file_of_a_key_is_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY_FILE", "/run/secrets/key")
    assert ModelSettings().gemini_api_key_file == Path("/run/secrets/key")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CARTEIRO_MODEL_TIMEOUT_SECONDS", "0"),
        ("CARTEIRO_LOCAL_DEVICE", "cuda:x"),
        ("CARTEIRO_LOCAL_DTYPE", "int8"),
        ("CARTEIRO_LOCAL_THREADS", "0"),
        ("CARTEIRO_REQUESTS_PER_MINUTE", "-1"),
        ("CARTEIRO_TOKENS_PER_MINUTE", "many"),
        ("CARTEIRO_MAX_RETRY_AFTER_SECONDS", "0"),
    ],
)
def test_value_out_of_its_range_is_invalid(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=name):
        ModelSettings()
