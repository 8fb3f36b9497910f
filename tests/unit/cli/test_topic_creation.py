"""The creation of topics, against an admin client that answers as a test says."""

from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import TopicAlreadyExistsError, TopicAuthorizationFailedError

from carteiro.cli import topic_creation
from carteiro.cli.kafka import KafkaFailed, KafkaSession
from carteiro.wire.topics import Topics


class Admin:
    """An admin client whose answer has an error code for each topic."""

    def __init__(self, code: int) -> None:
        self.code, self.created = code, set[str]()

    async def create_topics(self, topics: list[Any]) -> Any:
        self.created = {each.name for each in topics}
        return SimpleNamespace(topic_errors=[(each.name, self.code, None) for each in topics])


@pytest.fixture
def create(monkeypatch: pytest.MonkeyPatch) -> Callable[[Admin], dict[str, bool]]:
    def run(admin: Admin) -> dict[str, bool]:
        session = KafkaSession({}, Topics("t"), admin, frozenset({"t.chat.requests"}), "none")
        monkeypatch.setattr(topic_creation, "with_kafka", lambda _, work, **__: drive(work(session)))
        return topic_creation.create_missing_topics(partitions=1, replication=1, batches=False)

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
    assert {topic for topic, new in created.items() if new} == admin.created >= {"t.chat.replies", "t.chat.dead"}


def test_topic_that_another_has_just_created_is_there(create: Callable[[Admin], dict[str, bool]]) -> None:
    assert not any(create(Admin(TopicAlreadyExistsError.errno)).values())


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
