"""Documents that a command waits for, on a store in a file."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata
from pydantic import SecretStr
from rich.progress import Progress

from carteiro.cli.index import sent_documents as module
from carteiro.cli.index.sent_documents import NotRead, SentDocuments
from carteiro.retrieval.collection import EmbeddingSettings, Generation
from carteiro.retrieval.document import Document, Version
from carteiro.retrieval.stores.sqlite.store import SqliteStore
from carteiro.settings.worker import WorkerSettings


def version(offset: int, partition: int = 0) -> Version:
    return Version("docs", partition, offset, 1000 + offset)


async def fill(path: Path) -> None:
    """Store `new` as of offset 5, `old` as of offset 1, and an error of `odd` at offset 2, a millisecond later."""
    store = SqliteStore(path)
    await store.open()
    await store.add_generation(Generation("c", EmbeddingSettings("m", 2, 16, 0)))
    await store.write("c", Document("new", "a"), version(5), {})
    await store.write("c", Document("old", "a"), version(1), {})
    await store.note_error("c", "odd", replace(version(2), timestamp=1003), "unreadable", "it is damaged")
    await store.close()


async def test_wait_ends_when_the_group_has_passed_all_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    commits, pauses = [{0: -1, 1: 0}, {0: 4, 1: 3}, {0: 8, 1: 3}], list[float]()

    async def committed(
        _: Any, group: str, partitions: list[TopicPartition]
    ) -> dict[TopicPartition, OffsetAndMetadata]:
        assert group == "g"
        offsets = commits.pop(0)
        return {each: OffsetAndMetadata(offsets[each.partition], "") for each in partitions}

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(module, "committed_offsets", committed)
    sent = SentDocuments("c", "docs", "g", {"a": version(3), "b": version(7), "c": version(2, 1)})
    bar: Any = SimpleNamespace(disable=False, add_task=lambda *_, **__: 0, update=lambda *_, **__: None)
    await sent.wait_until_read(bar, bar, 5, sleep, lambda: 10.0 * len(pauses))
    assert (len(pauses), commits) == (2, [])


async def test_wait_ends_when_the_group_reads_no_further_document(monkeypatch: pytest.MonkeyPatch) -> None:
    offsets, pauses = [1, 1, 1, 2, 2, 2, 2], list[float]()

    async def committed(*_: Any) -> dict[TopicPartition, OffsetAndMetadata]:
        return {TopicPartition("docs", 0): OffsetAndMetadata(offsets[len(pauses)], "")}

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(module, "committed_offsets", committed)
    sent = SentDocuments("c", "docs", "g", {"a": version(0), "b": version(1), "c": version(2)})
    bar: Any = SimpleNamespace(disable=False, add_task=lambda *_, **__: 0, update=lambda *_, **__: None)
    with pytest.raises(NotRead, match="g has read 2 of 3 documents, and no further one for 3 s"):
        await sent.wait_until_read(bar, bar, 3, sleep, lambda: float(len(pauses)))
    assert len(pauses) == 6


@pytest.mark.parametrize(("finished_after", "hints"), [(4, 0), (20, 1)])
async def test_only_a_service_that_reads_nothing_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], finished_after: int, hints: int
) -> None:
    pauses = list[float]()

    async def committed(*_: Any) -> dict[TopicPartition, OffsetAndMetadata]:
        return {TopicPartition("docs", 0): OffsetAndMetadata(int(len(pauses) >= finished_after), "")}

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(module, "committed_offsets", committed)
    bar: Any = SimpleNamespace(disable=True, add_task=lambda *_, **__: 0, update=lambda *_, **__: None)
    await SentDocuments("c", "docs", "g", {"a": version(0)}).wait_until_read(bar, bar, 60, sleep, lambda: sum(pauses))
    assert capsys.readouterr().err.count("carteiro: waiting for the index service, group g") == hints


async def test_no_document_is_not_waited_for() -> None:
    with Progress(disable=True) as bar:
        await SentDocuments("c", "docs", "g").wait_until_read(None, bar, 5)  # type: ignore[arg-type]


async def test_documents_that_are_not_in_the_store_are_named_with_their_reason(tmp_path: Path) -> None:
    path = tmp_path / "documents.sqlite"
    await fill(path)
    sent = SentDocuments("c", "docs", "g", {"new": version(4), "old": version(3), "odd": version(2)})
    store = SqliteStore(path)
    await store.open()
    missing = await sent.find_missing(store)
    await store.close()
    assert [(each.key, each.code) for each in missing] == [("old", "unknown"), ("odd", "unreadable")]


@pytest.mark.parametrize("as_json", [False, True])
def test_document_of_an_unknown_collection_is_not_indexed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    settings = WorkerSettings(store=SecretStr(f"sqlite:///{tmp_path}/documents.sqlite"))
    assert not SentDocuments("c", "docs", "g", {"a": version(3)}).print_result(settings, as_json=as_json)
    output, reason = capsys.readouterr().out, "the store does not have it"
    if as_json:
        errors = [{"key": "a", "code": "unknown", "message": reason}]
        assert json.loads(output) == {"collection": "c", "indexed": 0, "errors": errors}
    else:
        assert output == f"indexed 0 of 1 document\nc  a  unknown  {reason}  (docs/0/3)\n"
