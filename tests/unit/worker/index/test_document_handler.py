"""Documents from their records to a store in a file; a real server acts as the provider of vectors."""

import asyncio
from unittest.mock import patch

import pytest
from aiokafka.errors import MessageSizeTooLargeError

from carteiro.retrieval.errors import DocumentInvalid
from carteiro.retrieval.stores.sqlite.store import SqliteStore
from carteiro.worker.index.document_handler import DocumentHandler
from carteiro.worker.observability import metrics
from tests.provider import Provider
from tests.provider.embeddings import vector
from tests.unit.wire.fake_record import UnreadRecord
from tests.unit.worker.index.documents import TOPIC, chunks, embedded_texts, record, section

pytestmark = pytest.mark.timeout(60)


async def test_document_is_stored_and_publishes_nothing(handler: DocumentHandler, store: SqliteStore) -> None:
    document = {"text": section(1), "title": "One", "uri": "https://example.org/1", "fields": {"year": 2026, "x": None}}
    outcome = await handler.handle(record(document))
    assert (outcome.result, outcome.code, list(outcome.records)) == ("indexed", "ok", [])
    stored = await store.document("docs", "k1")
    assert stored is not None
    assert (stored.document.title, stored.document.uri, dict(stored.document.fields)) == (
        "One",
        "https://example.org/1",
        {"year": 2026},
    )
    assert (stored.version.topic, stored.version.partition, stored.version.offset) == (TOPIC, 2, 5)
    assert [each[:2] for each in await chunks(store)] == [("k1", 0)]


async def test_only_changed_chunks_are_embedded_again(
    handler: DocumentHandler, store: SqliteStore, provider: Provider
) -> None:
    await handler.handle(record({"text": "".join(map(section, range(4)))}, 1))
    before = await chunks(store)
    assert len(before) == 4
    provider.requests.clear()
    changed = section(0) + section(1) + section(2, "another river") + section(3)
    await handler.handle(record({"text": changed}, 2))
    assert ["another river" in text for text in embedded_texts(provider)] == [True]
    assert [number for _, number, _ in await chunks(store)] == [0, 1, 2, 3]
    assert "another river" in (await chunks(store))[2][2]


async def test_repeated_record_changes_nothing_and_costs_nothing(
    handler: DocumentHandler, store: SqliteStore, provider: Provider
) -> None:
    await handler.handle(record({"text": section(1) + section(2)}))
    before, calls = await chunks(store), len(provider.requests)
    assert (await handler.handle(record({"text": section(1) + section(2)}))).result == "indexed"
    assert (await chunks(store), len(provider.requests)) == (before, calls)


async def test_tombstone_deletes_and_older_record_does_not_restore(
    handler: DocumentHandler, store: SqliteStore, provider: Provider
) -> None:
    await handler.handle(record({"text": section(1)}, 1))
    assert (await handler.handle(record(None, 3))).result == "deleted"
    assert await chunks(store) == []
    calls = len(provider.requests)
    assert (await handler.handle(record({"text": section(2)}, 2))).result == "outdated"
    assert (await handler.handle(record(None, 2))).result == "outdated"
    assert (await chunks(store), len(provider.requests)) == ([], calls)


async def test_tombstone_of_an_unknown_collection_holds_against_an_older_document(
    handler: DocumentHandler, store: SqliteStore
) -> None:
    assert (await handler.handle(record(None, 2))).result == "deleted"
    assert (await handler.handle(record({"text": section(1)}, 1))).result == "outdated"
    assert (await store.counts("docs")).documents == 0
    assert (await handler.handle(record({"text": section(1)}, 3))).result == "indexed"


@pytest.mark.parametrize(
    ("value", "code", "reason"),
    [
        (b"\xff", "unreadable", "no JSON"),
        (b"[]", "unreadable", "no JSON object"),
        (b"{}", "invalid_request", "a document has either text or data"),
        (b'{"text": "a", "data": "YQ=="}', "invalid_request", "a document has either text or data"),
        (b'{"data": "%"}', "invalid_request", "data: is not Base64"),
        (b'{"data": "AAEC"}', "unreadable", "data: the file is no text, Markdown, HTML, PDF"),
        (b'{"data": "JVBERi0xLjcK"}', "unreadable", "data: "),
        (b'{"text": " "}', "invalid_request", "text: must not be blank"),
        (b'{"text": "a", "fields": {"a": [1]}}', "invalid_request", "fields.a"),
        (b'{"text": {"uri": "file:///etc/passwd"}}', "invalid_request", "text.uri: this service reads nothing"),
    ],
)
async def test_unreadable_document_becomes_a_dead_letter_and_an_error_of_its_key(
    handler: DocumentHandler, store: SqliteStore, value: bytes, code: str, reason: str
) -> None:
    outcome = await handler.handle(record(value))
    assert (outcome.result, outcome.code) == ("dead_letter", code)
    (letter,) = outcome.records
    assert (letter.topic, letter.key, letter.value) == ("llm.index-docs.dead", b"k1", value)
    assert reason in dict(letter.headers)["kafka_dlt-exception-message"].decode()
    (error,) = await store.errors("docs")
    assert (error.key, error.code, error.version.offset) == ("k1", code, 5)
    assert reason in error.message


async def test_readable_version_clears_the_error(handler: DocumentHandler, store: SqliteStore) -> None:
    await handler.handle(record(b"{}", 1))
    await handler.handle(record({"text": section(1)}, 2))
    assert await store.errors("docs") == []


@pytest.mark.parametrize("key", [None, b"", b"\xff", b"a" * 1025])
async def test_document_without_a_usable_key_is_a_dead_letter(handler: DocumentHandler, key: bytes | None) -> None:
    outcome = await handler.handle(record({"text": "a"}, key=key))
    assert (outcome.result, outcome.code) == ("dead_letter", "invalid_request")


async def test_document_that_is_too_large_to_read_is_no_tombstone(handler: DocumentHandler, store: SqliteStore) -> None:
    await handler.handle(record({"text": section(1)}, 1))
    outcome = await handler.handle(UnreadRecord(None, (), b"k1", TOPIC, 2, 6))
    assert (outcome.result, outcome.code) == ("dead_letter", "too_large")
    assert len(await chunks(store)) == 1


async def test_refused_text_is_a_dead_letter_and_the_earlier_version_stays(
    handler: DocumentHandler, store: SqliteStore, provider: Provider
) -> None:
    await handler.handle(record({"text": section(1)}, 1))
    provider.embedding_limit = lambda texts: (400, {"error": {"message": "no", "code": "content_filter"}})
    outcome = await handler.handle(record({"text": section(2)}, 2))
    assert (outcome.result, outcome.code) == ("dead_letter", "content_filtered")
    assert [text for *_, text in await chunks(store)] == [section(1).strip()]


async def test_vectors_of_another_size_are_the_models_fault(
    handler: DocumentHandler, store: SqliteStore, provider: Provider
) -> None:
    await handler.handle(record({"text": section(1)}, 1))
    provider.embedding_limit = lambda texts: (200, {"data": [{"embedding": vector(text, 5)} for text in texts]})
    outcome = await handler.handle(record({"text": section(2)}, 2))
    assert (outcome.result, outcome.code) == ("dead_letter", "invalid_output")
    (error,) = await store.errors("docs")
    assert error.message == "openai:small gave vectors of 5 dimensions; those of the collection have 8"


async def test_document_that_the_store_never_takes_is_a_dead_letter(
    handler: DocumentHandler, store: SqliteStore
) -> None:
    with patch.object(store, "write", side_effect=DocumentInvalid("the store does not take the document")):
        outcome = await handler.handle(record({"text": section(1)}))
    assert (outcome.result, outcome.code) == ("dead_letter", "invalid_request")
    assert [error.message for error in await store.errors("docs")] == ["the store does not take the document"]


async def test_poison_document_is_a_dead_letter(handler: DocumentHandler, store: SqliteStore) -> None:
    outcome = await handler.reject_poison(record({"text": section(1)}), 3)
    assert (outcome.result, outcome.code) == ("dead_letter", "internal")
    assert dict(outcome.records[0].headers)["carteiro_tries"] == b"3"
    assert [error.key for error in await store.errors("docs")] == ["k1"]


async def test_dead_letter_that_is_too_large_keeps_its_headers(handler: DocumentHandler) -> None:
    outcome = await handler.handle(record(b"\xff"))
    smaller = outcome.fall_back(outcome.records[0], MessageSizeTooLargeError())
    assert smaller is not None
    assert (smaller.records[0].value, smaller.code) == (b"", "unreadable")
    last = smaller.fall_back(smaller.records[0], MessageSizeTooLargeError())
    assert last is not None
    assert (list(last.records), last.code) == ([], "unreadable")


async def test_outcomes_are_counted(handler: DocumentHandler) -> None:
    counter = metrics.DOCUMENTS.labels("docs", "indexed")
    before = counter._value.get()
    (await handler.handle(record({"text": section(1)}))).on_acknowledged()
    assert counter._value.get() == before + 1
    assert metrics.IN_FLIGHT.labels("index-docs")._value.get() == 0


async def test_many_documents_at_once_are_each_stored_once(handler: DocumentHandler, store: SqliteStore) -> None:
    records = [record({"text": section(n) + section(n + 1)}, n, key=f"k{n:02}".encode()) for n in range(20)]
    await asyncio.gather(*map(handler.handle, records))
    assert [each[:2] for each in await chunks(store)] == [(f"k{n:02}", number) for n in range(20) for number in (0, 1)]
    counts = await store.counts("docs")
    assert (counts.documents, sum(counts.chunks.values())) == (20, 40)
