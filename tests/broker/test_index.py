"""The index service as an operator starts it: documents in, chunks in a store."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
import pytest_asyncio
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from carteiro.cli.embedded import EmbeddedBroker
from carteiro.retrieval.errors import CollectionUnknown
from carteiro.retrieval.stores.sqlite.store import SqliteStore
from tests.broker.conftest import environment
from tests.broker.raw_kafka_client import RawKafkaClient
from tests.broker.worker_process import WorkerProcess
from tests.conftest import eventually, eventually_true
from tests.provider import Provider
from tests.provider.embeddings import vector

pytestmark = pytest.mark.timeout(240)

FILE = """\
from: shop.articles
document: "body && {text: body, title: name, fields: {shop: shop}}"
"""
OWN, SHOP, PATIENT = "llm.index-docs.documents", "shop.articles", "shop.archive"
DEAD = ("llm.index-docs.dead", "llm.index-articles.dead", "llm.index-patient.dead")


async def create_topics(broker: EmbeddedBroker, *names: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.address)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, 2, 1) for name in names])
    finally:
        await admin.close()


def settings(broker: EmbeddedBroker, provider: Provider, store: Path, collections: str) -> dict[str, str]:
    return environment(broker, provider) | {
        "CARTEIRO_INDEX_MODEL": "openai:vectors",
        "OPENAI_API_KEY": "sk-secret",
        "OPENAI_BASE_URL": provider.url,
        "CARTEIRO_BATCH_LINGER_SECONDS": "0.5",
        "CARTEIRO_BATCH_POLL_SECONDS": "0.2",
        "CARTEIRO_BATCH_MARGIN_SECONDS": "10",
        "CARTEIRO_INDEX_CHUNK_TOKENS": "32",
        "CARTEIRO_STORE": f"sqlite:///{store}",
        "CARTEIRO_COLLECTIONS": collections,
    }


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def store(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path_factory.mktemp("store") / "documents.sqlite")
    await store.open()
    yield store
    await store.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def worker(
    broker: EmbeddedBroker, provider: Provider, store: SqliteStore, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[WorkerProcess]:
    path = tmp_path_factory.mktemp("index") / "articles.yaml"
    path.write_text(FILE)
    patient = path.with_name("patient.yaml")
    patient.write_text(f"from: {PATIENT}\nwait: 1h\n")
    await create_topics(broker, OWN, SHOP, PATIENT, "llm.index-patient.batches", *DEAD)
    path_of_store = store._database.path
    with WorkerProcess("index", **settings(broker, provider, path_of_store, f"docs,{path},{patient}")) as worker:
        await eventually(worker.ready)
        yield worker


async def stored(store: SqliteStore, collection: str) -> dict[str, list[str]]:
    """Return the texts of all chunks in order, by the document's key."""
    try:
        active = (await store.collection(collection)).active
    except CollectionUnknown:
        return {}
    assert active
    hits = await store.search_vectors(active, vector("anything", active.embedding.dimensions), limit=1000)
    found: dict[str, list[str]] = {}
    for hit in sorted(hits, key=lambda hit: (hit.key, hit.chunk.number)):
        found.setdefault(hit.key, []).append(hit.chunk.text)
        assert len(found[hit.key]) == hit.chunk.number + 1
    return found


async def has(store: SqliteStore, collection: str, expected: dict[str, list[str]]) -> None:
    async def check() -> bool:
        return await stored(store, collection) == expected

    await eventually_true(check)


async def test_documents_of_all_collections_are_stored_and_deleted(
    broker: EmbeddedBroker, worker: WorkerProcess, store: SqliteStore
) -> None:
    async with RawKafkaClient(broker.address, DEAD[0]) as peer:
        await peer.send(OWN, b'{"text": "The ferry leaves at nine."}', key=b"ferry")
        await peer.send(OWN, b'{"text": "The museum is free."}', key=b"museum")
        await peer.send(OWN, b"{}", key=b"odd")
        await peer.send(SHOP, b'{"body": "Four red chairs.", "name": "Chairs", "shop": "north"}', key=b"7")
        await peer.send(SHOP, b'{"body": "One table.", "shop": "south"}', key=b"8")
        await has(store, "docs", {"ferry": ["The ferry leaves at nine."], "museum": ["The museum is free."]})
        await has(store, "articles", {"7": ["Four red chairs."], "8": ["One table."]})
        await eventually(lambda: peer.records)
        assert (peer.records[0].key, peer.records[0].value) == (b"odd", b"{}")
        assert [error.key for error in await store.errors("docs")] == ["odd"]
        article = await store.document("articles", "7")
        assert article is not None
        assert (article.document.title, dict(article.document.fields)) == ("Chairs", {"shop": "north"})
        await peer.send(OWN, None, key=b"museum")
        await peer.send(SHOP, b'{"name": "Table"}', key=b"8")
        await has(store, "docs", {"ferry": ["The ferry leaves at nine."]})
        await has(store, "articles", {"7": ["Four red chairs."]})
    _, body = worker.get("/metrics")
    assert 'carteiro_documents_total{collection="docs",result="indexed"} 2.0' in body
    assert 'carteiro_documents_total{collection="articles",result="deleted"} 1.0' in body


async def test_documents_that_may_wait_are_embedded_by_a_batch(
    broker: EmbeddedBroker, provider: Provider, worker: WorkerProcess, store: SqliteStore
) -> None:
    async with RawKafkaClient(broker.address, DEAD[0]) as peer:
        await peer.send(PATIENT, b'{"text": "The archive is old."}', key=b"old")
        await has(store, "patient", {"old": ["The archive is old."]})
    assert provider.batches.paid["The archive is old."] == 1
    assert "The archive is old." not in provider.calls


async def test_files_are_added_shown_and_deleted_by_the_command(
    broker: EmbeddedBroker, provider: Provider, worker: WorkerProcess, store: SqliteStore, tmp_path: Path
) -> None:
    own = settings(broker, provider, store._database.path, "docs")

    async def run(*arguments: str, env: Mapping[str, str] = {}) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("carteiro")), "index", *arguments, "--json"]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("CARTEIRO_")}
        return await asyncio.to_thread(
            subprocess.run, command, env=clean | own | env, cwd=tmp_path, capture_output=True, text=True
        )

    (tmp_path / "handbook").mkdir()
    (tmp_path / "handbook" / "one.md").write_text("# One\n\nThe first page.")
    (tmp_path / "handbook" / "two.html").write_text("<html><title>Two</title><p>The second page.</p></html>")
    (tmp_path / "handbook" / "none.pdf").write_bytes(b"%PDF-1.7 damaged")
    (tmp_path / "empty.md").write_text("")
    other = await run("status", env={"CARTEIRO_STORE": f"sqlite:///{tmp_path}/other", "CARTEIRO_COLLECTIONS": ""})
    assert (other.returncode, other.stdout, other.stderr) == (0, "", ""), "an empty store"
    added = await run(
        "add", "handbook", "empty.md", "--collection", "docs", "--field", "team=a", "--field", "year=2024", "--wait"
    )
    *lines, result = [json.loads(line) for line in added.stdout.splitlines()]
    assert (result["indexed"], [error["code"] for error in result["errors"]]) == (2, ["unreadable"])
    assert added.returncode == 1, added.stderr
    assert {line["file"]: line["status"] for line in lines} == {
        "handbook/none.pdf": "sent",
        "handbook/one.md": "sent",
        "handbook/two.html": "sent",
        "empty.md": "error",
    }
    assert {"handbook/one.md", "handbook/two.html"} <= (await stored(store, "docs")).keys()
    page = await store.document("docs", "handbook/two.html")
    assert page is not None
    assert (page.document.title, page.document.uri, dict(page.document.fields)) == (
        "Two",
        "handbook/two.html",
        {"team": "a", "year": 2024},
    )

    removed = json.loads((await run("remove", "handbook/two.html", "--collection", "docs")).stdout)
    assert (removed["key"], removed["status"], removed["topic"]) == ("handbook/two.html", "sent", OWN)

    async def is_removed() -> bool:
        return "handbook/two.html" not in await stored(store, "docs")

    await eventually_true(is_removed)

    async def has_no_lag() -> bool:
        return json.loads((await run("status", "docs")).stdout)["lag"] == 0

    await eventually_true(has_no_lag)
    state = json.loads((await run("status", "docs")).stdout)
    counts = await store.counts("docs")
    assert (state["documents"], state["chunks"]) == (counts.documents, sum(counts.chunks.values()))
    assert state["model"] == "openai:vectors"
    assert ("handbook/none.pdf", "unreadable") in [(error["key"], error["code"]) for error in state["errors"]]
    assert json.loads((await run("delete", "docs", "--yes")).stdout)["documents"] == counts.documents
    missing = await run("status", "docs")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert missing.stderr.startswith(
        "carteiro: the store has no collection of this name; `carteiro index status` lists"
    )


def _count_texts(provider: Provider, first: int) -> int:
    """Return the number of texts in the requests from the first one on."""
    return sum(len(each.body["input"]) for each in provider.requests[first:])


async def test_killed_worker_leaves_the_last_versions_once_also_if_the_next_one_rebuilds_them(
    broker: EmbeddedBroker, provider: Provider, tmp_path: Path
) -> None:
    topic = "killed.index-docs.documents"
    await create_topics(broker, topic, "killed.index-docs.dead")
    path = tmp_path / "documents.sqlite"
    own = settings(broker, provider, path, "docs") | {
        "CARTEIRO_TOPIC_PREFIX": "killed",
        "CARTEIRO_SESSION_TIMEOUT_SECONDS": "1",
    }
    store = SqliteStore(path)
    await store.open()
    expected: dict[str, list[str]] = {}

    async def change(peer: RawKafkaClient, round_number: int) -> None:
        for number in range(60):
            key = f"k{number % 20}"
            if (number + round_number) % 7 == 0:
                await peer.send(topic, None, key=key.encode())
                expected.pop(key, None)
                continue
            parts = [f"Part {part} of {key} is about rivers of the north" for part in range(3)]
            parts[round_number % 3] += f", version {round_number}.{number}"
            text = "\n\n".join(f"# Heading {part}\n\n{words}" for part, words in enumerate(parts))
            await peer.send(topic, json.dumps({"text": text}).encode(), key=key.encode())
            expected[key] = [f"# Heading {part}\n\n{words}" for part, words in enumerate(parts)]

    async def is_rebuilt() -> bool:
        generations = (await store.collection("docs")).generations
        return [each.embedding.dimensions for each in generations] == [16]

    async with RawKafkaClient(broker.address, topic) as peer:
        for round_number in range(1):
            with WorkerProcess("index", **own) as worker:
                await eventually(worker.ready)
                before = len(provider.requests)
                sending = asyncio.create_task(change(peer, round_number))
                await eventually(lambda count=before: _count_texts(provider, count) > 30)
                worker.kill()
                await sending
        with WorkerProcess("index", **own, CARTEIRO_INDEX_DIMENSIONS="16") as worker:
            await eventually(worker.ready)
            await eventually_true(is_rebuilt)
            await has(store, "docs", expected)
            assert await store.errors("docs") == []
            worker.terminate()
            await eventually(worker.has_exited)
    counts = await store.counts("docs")
    assert (counts.documents, list(counts.chunks.values())) == (len(expected), [sum(map(len, expected.values()))])
    await store.close()
