"""The checks of collections, on a store in a file and the topics that a test gives."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError
from pydantic import SecretStr

from carteiro.cli.doctor import collection_checks as module
from carteiro.cli.doctor.finding import Finding
from carteiro.extras import ExtraMissing
from carteiro.models.settings import ModelSettings
from carteiro.retrieval.collection import EmbeddingSettings, Generation
from carteiro.retrieval.stores.sqlite.store import SqliteStore
from carteiro.settings.worker import WorkerSettings
from tests.unit.cli.doctor.fake_admin import replace_admin_client

TOPICS = ["llm.index-docs.documents", "llm.index-docs.dead"]


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    return replace_admin_client(monkeypatch, module, TOPICS)


async def check(tmp_path: Path, **settings: Any) -> list[Finding]:
    store = settings.pop("store", f"sqlite:///{tmp_path}/documents.sqlite")
    given = WorkerSettings(store=SecretStr(store), **{"collections": "docs", "index_model": "openai:small", **settings})
    models = ModelSettings(openai_api_key=SecretStr("sk-none"))
    return [finding async for finding in module.check_collections(given, models)]


async def fill(tmp_path: Path, model: str = "openai:small") -> None:
    store = SqliteStore(tmp_path / "documents.sqlite")
    await store.open()
    await store.add_generation(Generation("docs", EmbeddingSettings(model, 8, 256, 32)))
    await store.close()


def summary(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(each.what, each.verdict) for each in findings]


async def test_settings_without_collections_have_no_findings() -> None:
    assert [each async for each in module.check_collections(WorkerSettings(), ModelSettings())] == []


@pytest.mark.usefixtures("kafka")
async def test_collection_of_the_same_model_is_right(tmp_path: Path) -> None:
    await fill(tmp_path)
    assert await check(tmp_path, search_collections="docs") == [
        Finding("store of collections", "ok", "has 1 collection"),
        Finding("collection docs", "ok", "is embedded by openai:small, with 8 dimensions"),
        Finding("topics of docs", "ok", "documents come from llm.index-docs.documents"),
    ]


@pytest.mark.usefixtures("kafka")
@pytest.mark.parametrize("other", [{"index_model": "openai:large"}, {"index_dimensions": 16}])
async def test_model_that_would_rebuild_a_collection_is_a_warning(tmp_path: Path, other: dict[str, Any]) -> None:
    await fill(tmp_path)
    finding = (await check(tmp_path, **other))[1]
    assert (finding.verdict, "openai:small with 8 dimensions" in finding.message) == ("warning", True)
    assert "embeds all documents again" in finding.advice


@pytest.mark.usefixtures("kafka")
async def test_collection_that_is_not_there_yet_is_right_unless_it_is_to_be_searched(tmp_path: Path) -> None:
    assert summary(await check(tmp_path, search_collections="docs, typo"))[1:3] == [
        ("collection docs", "warning"),
        ("collection typo", "warning"),
    ]
    assert summary(await check(tmp_path))[1] == ("collection docs", "ok")


@pytest.mark.usefixtures("kafka")
async def test_store_that_is_away_is_a_fault_and_the_topics_are_checked(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    findings = await check(tmp_path, store=f"sqlite:///{tmp_path}/folder")
    assert summary(findings) == [("store of collections", "fault"), ("topics of docs", "ok")]


async def test_missing_topics_are_named(tmp_path: Path, kafka: SimpleNamespace) -> None:
    path = tmp_path / "docs.yaml"
    path.write_text("from: shop.docs\nwait: 24h")
    kafka.topics = ["shop.docs"]
    finding = (await check(tmp_path, collections=str(path)))[-1]
    assert (finding.verdict, finding.message) == (
        "warning",
        "there is no llm.index-docs.dead, no llm.index-docs.batches",
    )
    kafka.failure = TopicAuthorizationFailedError()
    assert (await check(tmp_path))[-1].verdict == "fault"
    kafka.failure = KafkaConnectionError("away")
    assert (await check(tmp_path))[-1].what == "collection docs"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"collections": "Docs"}, "CARTEIRO_COLLECTIONS: 'Docs': "),
        ({"index_model": "nonsense"}, "CARTEIRO_INDEX_MODEL: "),
    ],
)
async def test_wrong_setting_is_a_fault(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    (finding,) = await check(tmp_path, **settings)
    assert (finding.verdict, finding.message.startswith(message)) == ("fault", True)


@pytest.mark.parametrize(("model", "is_fault"), [("openai:small", False), ("local:minilm", True)])
async def test_collection_that_waits_needs_a_model_with_batches(
    tmp_path: Path, kafka: SimpleNamespace, model: str, is_fault: bool
) -> None:
    kafka.topics = [*TOPICS, "llm.index-docs.batches"]
    file = tmp_path / "docs.yaml"
    file.write_text("from: llm.index-docs.documents\nwait: 24h\n")
    findings = await check(tmp_path, collections=str(file), index_model=model)
    faults = [each for each in findings if each.verdict == "fault"]
    assert [each.what for each in faults] == ["collection docs"] * is_fault


@pytest.mark.usefixtures("kafka")
async def test_store_without_its_library_is_to_be_installed_and_not_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(url: object) -> None:
        raise ExtraMissing("the store in PostgreSQL needs psycopg: pip install 'carteiro[postgres]'")

    monkeypatch.setattr(module, "create_store", fail)
    assert (await check(tmp_path))[0].advice == "install it, or correct CARTEIRO_STORE"
