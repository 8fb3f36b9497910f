"""Documents in records: texts, files and addresses."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest

from carteiro.index.collection_source import CollectionSource
from carteiro.references.allow_list import parse_allow_list
from carteiro.references.memory_budget import MemoryBudget
from carteiro.references.object_stores import ObjectStores
from carteiro.references.reader import ReferenceReader
from carteiro.registry.errors import RegistryUnavailable
from carteiro.retrieval.document import Document
from carteiro.retrieval.readers.file_reader import DocumentFileReader
from carteiro.wire.json_event import JsonEvent, JsonFormat
from carteiro.wire.record import Record
from carteiro.worker.index import document_reader
from carteiro.worker.index.document_reader import DocumentReader, DocumentRejected
from tests.unit.retrieval.readers.sample_files import docx, pdf
from tests.unit.worker.index.documents import record

SOURCE = CollectionSource(collection="docs", source="llm.index-docs.documents")


async def read(content: dict[str, Any] | None, allowed: str = "", max_bytes: int = 100_000) -> Document:
    references = ReferenceReader(parse_allow_list(allowed), max_bytes, ObjectStores()) if allowed else None
    reader = DocumentReader(SOURCE, DocumentFileReader(), references=references)
    async with reader.open(record(content)) as document:
        assert document is not None
        return document


async def rejection(content: dict[str, Any], **options: Any) -> tuple[str, str]:
    with pytest.raises(DocumentRejected) as caught:
        await read(content, **options)
    return caught.value.code, str(caught.value)


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


async def test_plain_text_is_taken_as_it_is() -> None:
    document = await read({"text": "<b>bold</b> é", "media_type": "text/plain; charset=latin-1"})
    assert (document.key, document.text, document.title, document.uri) == ("k1", "<b>bold</b> é", "", "")


async def test_text_that_is_html_is_read_as_html() -> None:
    page = "<html><head><title>Café</title></head><body><h1>One</h1><p>Two é</p><script>x</script></body></html>"
    document = await read({"text": page, "media_type": "text/html; charset=latin-1"})
    assert (document.title, document.text.split()) == ("Café", ["#", "One", "Two", "é"])
    assert (await read({"text": page, "media_type": "text/html", "title": "Mine"})).title == "Mine"


async def test_pages_of_a_pdf_are_kept() -> None:
    document = await read({"data": encoded(pdf("First page.", "Second page.")), "media_type": "application/pdf"})
    assert [document.page_at(document.text.index(word)) for word in ("First", "Second")] == [1, 2]


async def test_file_by_reference_is_recognized_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "report").write_bytes(docx(("Heading1", "Report"), "It is long."))
    address = f"file://{tmp_path}/report"
    document = await read({"text": {"uri": address}}, allowed=f"file://{tmp_path}")
    assert "It is long." in document.text
    assert document.uri == address
    named = await read({"text": {"uri": address}, "uri": "https://example.org"}, allowed=f"file://{tmp_path}")
    assert named.uri == "https://example.org"


async def test_file_that_is_too_large_or_missing_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a" * 11)
    options = {"allowed": f"file://{tmp_path}", "max_bytes": 10}
    assert (await rejection({"text": {"uri": f"file://{tmp_path}/a"}}, **options))[0] == "too_large"
    code, reason = await rejection({"text": {"uri": f"file://{tmp_path}/b"}}, **options)
    assert (code, reason) == ("invalid_request", "text.uri: names no file that can be read")


async def test_texts_of_files_are_held_within_a_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_reader, "MAX_CHARACTERS", 10)
    reader = DocumentReader(SOURCE, DocumentFileReader(), memory=MemoryBudget(10))
    file = record({"data": encoded(b"123456")})
    async with reader.open(file):
        reservation = await reader.memory.reserve(4)
        waiting = asyncio.create_task(reader.memory.reserve(1))
        for _ in range(3):
            await asyncio.sleep(0)
        assert not waiting.done()
    await waiting
    reservation.release()
    (await waiting).release()
    with pytest.raises(DocumentRejected, match="more than 10 characters"):
        async with reader.open(record({"data": encoded(b"12345678901")})):
            pass
    (await reader.memory.reserve(10)).release()


async def test_document_waits_for_the_schema_registry() -> None:
    class Registry(JsonFormat):
        tries = 0

        async def decode(self, record: Record) -> JsonEvent:
            self.tries += 1
            if self.tries < 3:
                raise RegistryUnavailable("it is away")
            return await super().decode(record)

    async def no_sleep(_: float) -> None:
        await asyncio.sleep(0)

    reader = DocumentReader(SOURCE, DocumentFileReader(), format=Registry(), sleep=no_sleep)
    async with reader.open(record({"text": "a"})) as document:
        assert document is not None
        assert document.text == "a"
