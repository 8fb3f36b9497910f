"""`carteiro topics create`, with a creation that only notes its arguments."""

from typing import Any

import pytest
from typer.testing import CliRunner

from carteiro.cli import schema_registration, topic_creation
from carteiro.cli.topics import app
from carteiro.registry.connection import RegisteredSubject


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    arguments: dict[str, Any] = {}

    def create(**given: Any) -> dict[str, bool]:
        arguments.update(given)
        return {"llm.chat.requests": True, "llm.chat.dead": False}

    monkeypatch.delenv("CARTEIRO_BATCHES", raising=False)
    monkeypatch.setattr(topic_creation, "create_missing_topics", create)
    return arguments


def test_new_and_existing_topics_are_told_apart(asked: dict[str, Any]) -> None:
    output = CliRunner().invoke(app, ["create"]).stdout
    assert output == "created  llm.chat.requests\nthere    llm.chat.dead\n"
    assert asked == {"partitions": 6, "replication": 1, "batches": False, "wait": False}


def test_json_has_a_line_for_each_topic(asked: dict[str, Any]) -> None:
    output = CliRunner().invoke(app, ["create", "--json", "--wait", "--partitions", "12", "--replication", "3"]).stdout
    assert output.splitlines()[0] == '{"topic": "llm.chat.requests", "created": true}'
    assert asked == {"partitions": 12, "replication": 3, "batches": False, "wait": True}


@pytest.mark.parametrize(("value", "batches"), [("true", True), ("false", False), ("", False)])
def test_setting_of_the_workers_asks_for_the_topics_of_deferred_requests(
    asked: dict[str, Any], value: str, batches: bool
) -> None:
    CliRunner().invoke(app, ["create"], env={"CARTEIRO_BATCHES": value})
    assert asked["batches"] is batches


@pytest.mark.parametrize(
    ("options", "line"),
    [([], "schema   s-value  AVRO, id 7"), (["--json"], '{"subject": "s-value", "type": "AVRO", "id": 7}')],
)
def test_schemas_are_registered_after_the_topics(
    asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch, options: list[str], line: str
) -> None:
    def register(report: Any, *, wait: bool) -> None:
        assert wait
        report(RegisteredSubject("s-value", "AVRO", 7))

    monkeypatch.setattr(schema_registration, "register_schemas", register)
    output = CliRunner().invoke(app, ["create", "--schemas", "--wait", *options]).stdout
    assert output.splitlines()[2:] == [line]
