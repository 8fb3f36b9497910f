"""Answers from a collection, over Kafka: a question in, an answer with checked quotations out."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from carteiro.client import Carteiro, ReplyError
from carteiro.retrieval.chunk import Chunk, EmbeddedChunk
from carteiro.retrieval.collection import EmbeddingSettings, Generation
from carteiro.retrieval.document import Document, Version
from carteiro.retrieval.stores.sqlite.store import SqliteStore
from carteiro.tasks.discovery import find_task
from carteiro.worker.app import worker
from tests.broker.conftest import environment
from tests.conftest import eventually
from tests.provider import Provider
from tests.provider.embeddings import vector

pytestmark = pytest.mark.timeout(120)

DOCUMENTS = {
    "returns": "Goods can be returned within 30 days. The buyer pays the postage.",
    "returns-south": "Goods can be returned within 14 days. The shop pays the postage.",
}


@pytest.fixture(scope="module")
def store_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store") / "documents.sqlite"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def vectors() -> AsyncIterator[Provider]:
    """Provider of the collection's embedding model, apart from the chat model's."""
    async with Provider() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def documents(store_file: Path, vectors: Provider) -> None:
    store = SqliteStore(store_file)
    await store.open()
    generation = Generation("shop", EmbeddingSettings(f"{vectors.url}#vectors", 8, 100, 15))
    await store.add_generation(generation)
    await store.add_generation(Generation("empty", generation.embedding))
    for number, (key, text) in enumerate(DOCUMENTS.items()):
        tenant = "south" if key.endswith("south") else "north"
        document = Document(key, text, "Returns", f"https://example.org/{key}", {"tenant": tenant}, (0, 38))
        rows = [EmbeddedChunk(Chunk(0, 0, len(text), text, page=1), vector(text))]
        await store.write("shop", document, Version("t", 0, number), {generation: rows})
    await store.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shop(broker, provider: Provider, store_file: Path, documents: None) -> AsyncIterator[Carteiro]:
    """Client of services of answer and chat that search the store."""
    with pytest.MonkeyPatch.context() as patch:
        settings = {
            "CARTEIRO_TOPIC_PREFIX": "shop",
            "CARTEIRO_STORE": f"sqlite:///{store_file}",
            "CARTEIRO_SESSION_TIMEOUT_SECONDS": "12",
            "CARTEIRO_LOG_LEVEL": "error",
        }
        for name, value in (environment(broker, provider) | settings).items():
            patch.setenv(name, value)
        app = worker(find_task("answer"), find_task("chat"))
    await app.start()
    await eventually(lambda: app.health.ready)
    async with Carteiro(broker.address, topic_prefix="shop", timeout=90) as client:
        yield client
    await app.stop()


def says(quote: str) -> str:
    return json.dumps({"found": True, "answer": "14 days", "quotes": [{"passage": 1, "quote": quote}]})


async def test_answer_comes_with_its_source(shop: Carteiro, provider: Provider):
    provider.queue_completion(says("returned within 14  days"))
    reply = await shop.answer("How long?", collection="shop", filter={"tenant": "south"}, top_k=3)
    (source,) = reply.result.sources
    assert (reply.result.answer, source.key, source.uri) == (
        "14 days",
        "returns-south",
        "https://example.org/returns-south",
    )
    assert DOCUMENTS[source.key][source.start : source.end] == source.quote == "returned within 14 days"
    assert source.page == 1
    prompt = provider.requests[-1].body["messages"][-1]["content"]
    assert "30 days" not in prompt, "the filter leaves out the other tenant's documents"


async def test_page_is_that_of_the_quotation(shop: Carteiro, provider: Provider):
    provider.queue_completion(says("The shop pays the postage"))
    reply = await shop.answer("Who pays?", collection="shop", filter={"tenant": ["south"]})
    assert reply.result.sources[0].page == 2


async def test_quotation_that_no_document_has_is_no_answer(shop: Carteiro, provider: Provider):
    provider.queue_completion(says("returned within 99 days"))
    result = (await shop.answer("How long?", collection="shop", filter={"tenant": "north"})).result
    assert (result.found, result.answer, result.sources) == (False, None, [])


async def test_filter_that_nothing_fits_finds_nothing_and_calls_no_model(shop: Carteiro, provider: Provider):
    before = len([each for each in provider.requests if "messages" in each.body])
    assert not (await shop.answer("How long?", collection="shop", filter={"colour": "red"})).result.found
    assert len([each for each in provider.requests if "messages" in each.body]) == before


async def test_chat_cites_its_passages(shop: Carteiro, provider: Provider):
    provider.queue_completion("You have 30 days [1].")
    reply = await shop.chat("How long may I keep goods?", collection="shop", filter={"tenant": "north"})
    assert [(each.number, each.quote) for each in reply.result.sources] == [
        (1, "Goods can be returned within 30 days.")
    ]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"collection": "missing"}, "collection: is not in the service's store of documents (CARTEIRO_STORE)"),
        ({"collection": "empty"}, "collection: has no documents"),
        ({"collection": "shop", "rerank": True}, "rerank: this service has no rerank model (CARTEIRO_RERANK_MODEL)"),
    ],
)
async def test_search_that_is_not_possible_is_named(shop: Carteiro, fields, message: str):
    with pytest.raises(ReplyError) as caught:
        await shop.answer("How long?", **fields)
    assert (caught.value.code, str(caught.value).endswith(message)) == ("invalid_request", True)
