"""The file of the store, and all that can be wrong with it."""

import asyncio
import contextlib
import itertools
import os
import signal
import sqlite3
import subprocess
import sys
import threading

import pytest

from carteiro.retrieval.errors import DocumentStoreInvalid, DocumentStoreUnavailable
from carteiro.retrieval.stores.sqlite import schema
from carteiro.retrieval.stores.sqlite.store import SqliteStore
from tests.unit.retrieval.stores.samples import OLD, document, embedded, fill, found, version

WRITER = """
import asyncio, itertools, sys
from pathlib import Path
from carteiro.retrieval.stores.sqlite.store import SqliteStore
from tests.unit.retrieval.stores.samples import OLD, document, embedded, version

async def main() -> None:
    store = SqliteStore(Path(sys.argv[1]))
    await store.open()
    await store.add_generation(OLD)
    for number in itertools.count(int(sys.argv[2])):
        written = document(text=f"version {number} " * 9)
        await store.write("handbook", written, version(number), {OLD: embedded(written, *[number] * 9)})
        print(number, flush=True)

asyncio.run(main())
"""


async def open_store(path) -> SqliteStore:
    store = SqliteStore(path)
    await store.open()
    return store


async def test_kill_of_a_writer_leaves_whole_documents(tmp_path):
    path, last = tmp_path / "documents.sqlite", 0
    for writes in (1, 4, 7):
        command = [sys.executable, "-c", WRITER, str(path), str(last + 1)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            for line in itertools.islice(writer.stdout, writes):
                last = int(line)
            os.kill(writer.pid, signal.SIGKILL)
            last = max([last, *map(int, writer.stdout.read().split())])
        store = await open_store(path)
        stored = await store.document("handbook", "k1")
        # The last write may have been stored before it was reported.
        assert stored.version.offset in (last, last + 1)
        text = f"version {stored.version.offset} " * 9
        assert stored.document.text == text
        hits = await store.search_words(OLD, "version", limit=100)
        assert "".join(hit.chunk.text for hit in sorted(hits, key=lambda hit: hit.chunk.number)) == text
        assert len(await found(store, limit=100)) == 9
        with contextlib.closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            connection.execute("INSERT INTO words_1 (words_1) VALUES ('integrity-check')")
        await store.close()


async def test_file_of_another_program_is_refused_and_left_unchanged(tmp_path):
    path = tmp_path / "other.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE people (name)")
        connection.commit()
    with pytest.raises(DocumentStoreInvalid, match="another program"):
        await open_store(path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("people",)]


async def test_file_that_is_no_database_is_refused(tmp_path):
    path = tmp_path / "documents.sqlite"
    path.write_bytes(b"a text, and no database" * 1000)
    with pytest.raises(DocumentStoreInvalid, match="no SQLite file"):
        await open_store(path)


async def test_folder_that_cannot_be_created_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DocumentStoreInvalid, match="folder"):
        await open_store(tmp_path / "file" / "documents.sqlite")
    with pytest.raises(DocumentStoreUnavailable, match="cannot be opened"):
        await open_store(tmp_path)


async def test_deleted_file_gets_no_writes(tmp_path):
    path = tmp_path / "documents.sqlite"
    store = await open_store(path)
    await fill(store, document("k1"))
    backup = path.rename(tmp_path / "backup.sqlite")
    path.write_bytes(backup.read_bytes())
    for _ in range(2):
        with pytest.raises(DocumentStoreUnavailable, match="deleted or replaced"):
            await store.delete("handbook", "k1", version(3))
        path.unlink(missing_ok=True)
    assert not path.exists()
    backup.rename(path)
    assert await found(store) == [("k1", 0)]


async def test_file_held_by_another_writer_is_unavailable_for_a_bounded_time(tmp_path, monkeypatch):
    monkeypatch.setattr(schema, "BUSY_SECONDS", 0.05)
    store = await open_store(tmp_path / "documents.sqlite")
    await fill(store, document())
    with contextlib.closing(sqlite3.connect(store._database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DocumentStoreUnavailable, match="another process"):
            await store.delete("handbook", "k1", version(3))
        assert await found(store) == [("k1", 0)]
        other.execute("ROLLBACK")
    assert await store.delete("handbook", "k1", version(3))
    await store.close()


def test_new_file_held_by_another_process_is_opened_after_it(tmp_path, monkeypatch):
    path, pauses = tmp_path / "documents.sqlite", []
    with (
        contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other,
        contextlib.closing(sqlite3.connect(path, timeout=0)) as connection,
    ):
        other.execute("BEGIN EXCLUSIVE")
        monkeypatch.setattr(schema.time, "sleep", lambda seconds: pauses.append(seconds) or other.rollback())
        schema._use_log(connection)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert len(pauses) == 1


async def test_deferral_writers_hold_up_no_search(tmp_path):
    store = await open_store(tmp_path / "documents.sqlite")
    await fill(store, document())
    with contextlib.closing(sqlite3.connect(store._database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        writes = [asyncio.create_task(store.delete("handbook", "k1", version(3))) for _ in range(10)]
        await asyncio.sleep(0)
        assert await found(store) == [("k1", 0)]
        other.execute("ROLLBACK")
    assert all(await asyncio.gather(*writes))
    await store.close()


async def test_full_disk_is_unavailable_and_leaves_what_was_there(tmp_path, monkeypatch):
    store = await open_store(tmp_path / "documents.sqlite")
    await fill(store, document())
    (connection,) = store._database._idle
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    long = document("long", "word " * 100_000)
    with pytest.raises(DocumentStoreUnavailable, match="disk is full"):
        await store.write("handbook", long, version(3), {OLD: embedded(long, 0)})
    assert await found(store) == [("k1", 0)]
    await store.close()


async def test_work_is_done_outside_the_event_loop(tmp_path, monkeypatch):
    threads = set()
    connect = schema.connect
    monkeypatch.setattr(
        "carteiro.retrieval.stores.sqlite.database.connect",
        lambda path: threads.add(threading.current_thread()) or connect(path),
    )
    store = await open_store(tmp_path / "documents.sqlite")
    await fill(store, document())
    assert await found(store) == [("k1", 0)]
    await store.close()
    assert threads
    assert threading.current_thread() not in threads
