"""The registration of the tasks' schemas, at a registry in another thread: the command has an event loop of its own."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from carteiro.cli.schema_registration import register_schemas
from carteiro.registry.connection import RegisteredSubject
from carteiro.schemas import REQUESTS
from tests.registry_server import RegistryServer


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[RegistryServer]:
    loop, server = asyncio.new_event_loop(), RegistryServer()
    loop.run_until_complete(server.start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    monkeypatch.setenv("CARTEIRO_SCHEMA_REGISTRY_URL", server.url)
    monkeypatch.setenv("CARTEIRO_TOPIC_PREFIX", "shop")
    yield server
    asyncio.run_coroutine_threadsafe(server.stop(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def register() -> list[RegisteredSubject]:
    registered: list[RegisteredSubject] = []
    register_schemas(registered.append, wait=False)
    return registered


@pytest.mark.parametrize(("format_", "kind"), [("auto", "JSON"), ("json", "JSON"), ("protobuf", "PROTOBUF")])
def test_schemas_of_all_tasks_are_registered_once(
    server: RegistryServer, monkeypatch: pytest.MonkeyPatch, format_: str, kind: str
) -> None:
    monkeypatch.setenv("CARTEIRO_SCHEMA_REGISTRY_REPLY_FORMAT", format_)
    first = register()
    assert {each.subject for each in first} == {
        f"shop.{task}.{topic}-value" for task in REQUESTS for topic in ("requests", "replies")
    }
    assert {each.type for each in first} == {kind}
    assert register() == first


def test_schemas_that_are_refused_are_named_and_the_others_registered(
    server: RegistryServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server.store.register("shop.chat.replies-value", {"schema": '"string"'})
    registered = list[RegisteredSubject]()
    with pytest.raises(SystemExit) as exited:
        register_schemas(registered.append, wait=False)
    assert exited.value.code == 1
    assert len(registered) == 2 * len(REQUESTS) - 1
    assert "subject shop.chat.replies-value" in capsys.readouterr().err


def test_registry_that_is_away_ends_the_command(server: RegistryServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.fault = 503
    with pytest.raises(SystemExit) as exited:
        register()
    assert (exited.value.code, "answers 503" in capsys.readouterr().err) == (3, True)


def test_missing_address_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("CARTEIRO_SCHEMA_REGISTRY_URL", raising=False)
    with pytest.raises(SystemExit) as exited:
        register()
    assert exited.value.code == 2
    assert "CARTEIRO_SCHEMA_REGISTRY_URL is not set" in capsys.readouterr().err
