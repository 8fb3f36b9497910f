"""The creation of topics, against an admin client that answers as a test says."""

from collections.abc import Callable, Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import TopicAlreadyExistsError, TopicAuthorizationFailedError

from carteiro.cli import topic_creation
from carteiro.cli.kafka import KafkaFailed, KafkaSession
from carteiro.wire.topics import Topics


class Admin:
    """An admin client whose answer has an error code for each topic. Topics that exist have four partitions."""

    def __init__(self, code: int) -> None:
        self.code, self.created = code, dict[str, int]()

    async def describe_topics(self, topics: list[str]) -> Any:
        return [{"topic": topic, "partitions": [{"partition": number} for number in range(4)]} for topic in topics]

    async def create_topics(self, topics: list[Any]) -> Any:
        self.created = {each.name: each.num_partitions for each in topics}
        return SimpleNamespace(topic_errors=[(each.name, self.code, None) for each in topics])


@pytest.fixture
def create(monkeypatch: pytest.MonkeyPatch) -> Callable[[Admin], dict[str, bool]]:
    def run(admin: Admin, existing: str = "t.chat.requests", *, batches: bool = False) -> dict[str, bool]:
        session = KafkaSession({}, Topics("t"), admin, frozenset({existing}), "none")
        monkeypatch.setattr(topic_creation, "with_kafka", lambda _, work, **__: drive(work(session)))
        return topic_creation.create_missing_topics(partitions=1, replication=1, batches=batches)

    return run


def drive(work: Coroutine[Any, Any, dict[str, bool]]) -> dict[str, bool]:
    """Run a coroutine that never waits."""
    try:
        work.send(None)
    except StopIteration as done:
        result: dict[str, bool] = done.value
        return result
    raise AssertionError("it waits")


def test_only_missing_topics_are_created(create: Callable[[Admin], dict[str, bool]]) -> None:
    created = create(admin := Admin(0))
    assert "t.chat.requests" not in admin.created
    assert created["t.chat.requests"] is False
    assert {topic for topic, new in created.items() if new} == admin.created.keys() >= {"t.chat.replies", "t.chat.dead"}


def test_topic_that_another_has_just_created_is_there(create: Callable[[Admin], dict[str, bool]]) -> None:
    assert not any(create(Admin(TopicAlreadyExistsError.errno)).values())


def test_topic_has_as_many_partitions_as_the_existing_one_that_it_belongs_to(create: Callable[..., Any]) -> None:
    create(admin := Admin(0), batches=True)
    tied = ("conversations", "journal", "deferred", "batches")
    assert [admin.created[f"t.chat.{each}"] for each in tied] == [4, 4, 4, 4]
    assert admin.created["t.generate.requests"] == admin.created["t.chat.dead"] == 1
    create(admin := Admin(0), "t.chat.deferred", batches=True)
    assert (admin.created["t.chat.batches"], admin.created["t.chat.requests"]) == (4, 1)


def test_batches_of_a_collection_have_as_many_partitions_as_its_documents(
    create: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "docs.yaml"
    file.write_text("from: t.index-docs.documents\nwait: 24h")
    monkeypatch.setenv("CARTEIRO_TOPIC_PREFIX", "t")
    monkeypatch.setenv("CARTEIRO_COLLECTIONS", str(file))
    create(admin := Admin(0), "t.index-docs.documents")
    assert admin.created["t.index-docs.batches"] == 4


def test_topics_of_tools_are_created_too(
    create: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "tools.yaml"
    monkeypatch.setenv("CARTEIRO_TOOLS", str(file))
    assert "orders" not in create(Admin(0))
    file.write_text("topics: {order: {topic: orders, replies: states, description: x}}")
    assert create(Admin(0)).keys() >= {"orders", "states"}
    file.write_text("topics: {order: {topic: orders}}")
    with pytest.raises(SystemExit):
        create(Admin(0))
    assert "CARTEIRO_TOOLS: " in capsys.readouterr().err


def test_rejected_topic_is_named(create: Callable[[Admin], dict[str, bool]]) -> None:
    with pytest.raises(KafkaFailed, match=r"^t\.\w+\.\w+ cannot be created: TopicAuthorizationFailedError"):
        create(Admin(TopicAuthorizationFailedError.errno))


def test_topics_of_collections_are_created_too(
    create: Callable[[Admin], dict[str, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARTEIRO_TOPIC_PREFIX", "t")
    monkeypatch.setenv("CARTEIRO_COLLECTIONS", "docs")
    assert create(Admin(0)).keys() >= {"t.index-docs.documents", "t.index-docs.dead"}
    monkeypatch.setenv("CARTEIRO_COLLECTIONS", "My docs")
    with pytest.raises(SystemExit):
        create(Admin(0))
