from pathlib import Path
from types import SimpleNamespace

import pytest

from carteiro.settings.environment import SettingsInvalid, load_settings
from carteiro.settings.worker import task_models


def task(name: str, *, shares_model: bool = True) -> SimpleNamespace:
    return SimpleNamespace(name=name, default_model="local:default", shares_model=shares_model)


def test_model_of_a_task_is_its_own_or_the_common_one(monkeypatch: pytest.MonkeyPatch) -> None:
    settings, _ = load_settings()
    assert task_models(task("chat"), settings) == ["local:default"]
    monkeypatch.setenv("CARTEIRO_MODEL", "openai:all")
    settings, _ = load_settings()
    assert task_models(task("chat"), settings) == ["openai:all"]
    monkeypatch.setenv("CARTEIRO_CHAT_MODEL", " openai:chat, local:chat,openai:chat,")
    assert task_models(task("chat"), settings) == ["openai:chat", "local:chat"]
    assert task_models(task("translate"), settings) == ["openai:all"]


def test_task_that_shares_no_model_has_its_own_or_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTEIRO_MODEL", "openai:gpt-4.1-mini")
    settings, _ = load_settings()
    assert task_models(task("embed", shares_model=False), settings) == ["local:default"]
    monkeypatch.setenv("CARTEIRO_EMBED_MODEL", "openai:text-embedding-3-small")
    assert task_models(task("embed", shares_model=False), settings) == ["openai:text-embedding-3-small"]


def test_only_flex_is_allowed_besides_the_standard_tier(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings()[0].allowed_tiers == {"flex"}
    monkeypatch.setenv("CARTEIRO_SERVICE_TIERS", "standard")
    assert load_settings()[0].allowed_tiers == {"standard"}
    monkeypatch.setenv("CARTEIRO_SERVICE_TIERS", "flex, priority")
    monkeypatch.setenv("CARTEIRO_PRIORITY_MAX_DEADLINE_SECONDS", "5")
    assert load_settings()[0].allowed_tiers == {"flex", "priority"}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("SERVICE_TIERS", "flex, fast", "names 'fast': write flex, standard, priority, separated by commas"),
        ("PRIORITY_MAX_DEADLINE_SECONDS", "5", "needs priority in CARTEIRO_SERVICE_TIERS"),
        ("FLEX_MIN_DEADLINE_SECONDS", "0", "must be more than 0"),
        ("REFERENCES", "s3://letters, http://example.com", "entry 2 is not encrypted: http:// is not read"),
        ("REFERENCES", "file:///", "entry 1 names the whole file system"),
        ("REFERENCE_MAX_BYTES", "100000000", "must be at most 67108864"),
        ("REPLY_BUCKET", "letters", "is no bucket: it begins with s3://, gs://, az://"),
        ("REPLY_BUCKET", "https://example.com/a", "is no bucket: it begins with s3://, gs://, az://"),
    ],
)
def test_wrong_address_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str) -> None:
    monkeypatch.setenv(f"CARTEIRO_{name}", value)
    with pytest.raises(SettingsInvalid) as caught:
        load_settings()
    assert str(caught.value) == f"CARTEIRO_{name}: {message}"


@pytest.mark.parametrize(
    ("references", "is_refused"),
    [("s3://letters", True), ("file:///data, s3://letters/out", True), ("s3://letters/in", False), ("", False)],
)
def test_results_of_other_senders_cannot_be_read_by_reference(
    monkeypatch: pytest.MonkeyPatch, references: str, is_refused: bool
) -> None:
    monkeypatch.setenv("CARTEIRO_REFERENCES", references)
    monkeypatch.setenv("CARTEIRO_REPLY_BUCKET", "s3://letters/out")
    if not is_refused:
        load_settings()
        return
    with pytest.raises(SettingsInvalid, match="CARTEIRO_REPLY_BUCKET: is below an entry of CARTEIRO_REFERENCES"):
        load_settings()


def test_address_of_the_store_is_read_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "store").write_text("postgresql://me:secret@host/db\n")
    monkeypatch.setenv("CARTEIRO_STORE_FILE", str(tmp_path / "store"))
    settings, _ = load_settings()
    assert settings.names_store
    assert settings.store_url == "postgresql://me:secret@host/db"
    assert "me:secret" not in repr(settings)


@pytest.mark.parametrize(
    ("content", "store", "says"),
    [
        (None, None, "cannot be read"),
        (b" \n", None, "is empty"),
        (b"\xff", None, "cannot be read"),
        (b"sqlite:////b", "sqlite:////a", "unset one of them"),
    ],
)
def test_wrong_file_of_the_store_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, store: str | None, says: str
) -> None:
    if content is not None:
        (tmp_path / "store").write_bytes(content)
    monkeypatch.setenv("CARTEIRO_STORE_FILE", str(tmp_path / "store"))
    if store is not None:
        monkeypatch.setenv("CARTEIRO_STORE", store)
    with pytest.raises(SettingsInvalid, match=f"CARTEIRO_STORE_FILE.*{says}"):
        load_settings()
