"""Stores outside Kafka, from the settings."""

import sys

import pytest

from carteiro.extras import ExtraMissing
from carteiro.models.errors import ModelUnusable
from carteiro.references.address import parse_prefix
from carteiro.settings.environment import SettingsInvalid
from carteiro.settings.worker import WorkerSettings
from carteiro.worker.composition.storage import open_library, open_references, open_reply_bucket
from carteiro.worker.handling.library import Library


def open_all(settings: WorkerSettings) -> None:
    open_references(settings)
    open_reply_bucket(settings)


def test_no_store_is_open_by_default() -> None:
    assert open_references(WorkerSettings()) is None
    assert open_references(WorkerSettings(references=" , ")) is None
    assert open_reply_bucket(WorkerSettings()) is None


def test_stores_of_the_settings_are_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    settings = WorkerSettings(
        references="s3://letters/in, file:///data", reference_max_bytes=7, reply_bucket="s3://letters/replies"
    )
    reader, bucket = open_references(settings), open_reply_bucket(settings)
    assert reader is not None
    assert reader.max_bytes == 7
    assert bucket is not None
    assert bucket.address == parse_prefix("s3://letters/replies")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("references", "az://letters", "CARTEIRO_REFERENCES: az://letters cannot be opened"),
        ("reply_bucket", "az://letters", "CARTEIRO_REPLY_BUCKET: az://letters cannot be opened"),
    ],
)
def test_bucket_without_its_variables_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    settings = WorkerSettings(**{name: value})
    with pytest.raises(SettingsInvalid) as caught:
        open_all(settings)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("name", ["references", "reply_bucket"])
def test_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr("carteiro.extras.find_spec", lambda module: None if module == "obstore" else sys)
    settings = WorkerSettings(**{name: "s3://letters"})
    with pytest.raises(ExtraMissing, match=rf"CARTEIRO_{name.upper()} needs obstore: pip install 'carteiro\[ref"):
        open_all(settings)


def library(**settings: object) -> Library:
    return open_library(WorkerSettings.model_validate(settings), [], lambda: None)


def test_collections_may_be_limited_by_the_settings() -> None:
    assert library().serves("any")
    limited = library(search_collections=" docs, ,handbook")
    assert [limited.serves(name) for name in ("docs", "handbook", "private")] == [True, True, False]


def test_default_store_is_created_by_no_worker_that_never_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    assert library().rerank_model is None


def test_wrong_address_of_a_store_is_named_at_the_start() -> None:
    with pytest.raises(SettingsInvalid, match=r"^CARTEIRO_STORE: ") as caught:
        library(store="mysql://user:secret@host")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing:x", "'nothing:x' is no model"),
        ("local:minilm", "local:minilm cannot compare a question and a passage, as a local cross-encoder"),
    ],
)
def test_model_that_cannot_rerank_is_named_at_the_start(name: str, message: str) -> None:
    with pytest.raises(ModelUnusable, match=f"CARTEIRO_RERANK_MODEL: {message}"):
        library(rerank_model=name)
