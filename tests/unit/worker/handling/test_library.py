"""The collections of documents that a worker searches."""

import asyncio

import pytest

from carteiro.models.settings import ModelSettings
from carteiro.retrieval.errors import CollectionUnknown, DocumentStoreUnavailable
from carteiro.retrieval.retriever import Search
from carteiro.worker.handling.library import Library
from carteiro.worker.model_calls.question_models import QuestionModels
from tests.unit.worker.failing_model import usage_meter

SEARCH = Search(collection="town", text="When?")


class FakeStore:
    """Store without collections, which is away for its first `failures`."""

    def __init__(self, failures: int = 0) -> None:
        self.failures, self.opened, self.closed = failures, 0, 0

    async def open(self):
        self.opened += 1
        await asyncio.sleep(0)
        if self.failures:
            self.failures -= 1
            raise DocumentStoreUnavailable("away")

    async def close(self):
        self.closed += 1

    async def collection(self, name):
        raise CollectionUnknown(name)


class FakeReranker:
    """Rerank model that notes its life."""

    def __init__(self) -> None:
        self.life: list[str] = []

    async def load(self):
        self.life.append("load")

    async def close(self):
        self.life.append("close")


def make(store, **more) -> Library:
    return Library(lambda: store, QuestionModels(ModelSettings()), **more)


async def test_store_is_opened_by_the_first_of_many_searches():
    store = FakeStore()
    library = make(store)
    assert store.opened == 0
    failures = await asyncio.gather(*(library.find(SEARCH, usage_meter()) for _ in range(5)), return_exceptions=True)
    assert {type(each) for each in failures} == {CollectionUnknown}
    await library.close()
    assert (store.opened, store.closed) == (1, 1)


async def test_store_that_was_away_is_opened_by_a_later_search():
    stores = [store := FakeStore(failures=1), FakeStore()]
    library = Library(lambda: stores.pop(0), QuestionModels(ModelSettings()))
    for failure in (DocumentStoreUnavailable, CollectionUnknown):
        with pytest.raises(failure):
            await library.find(SEARCH, usage_meter())
    assert store.opened == 2


async def test_store_that_stays_away_is_closed():
    store = FakeStore(failures=1)
    library = make(store)
    with pytest.raises(DocumentStoreUnavailable):
        await library.find(SEARCH, usage_meter())
    await library.close()
    assert store.closed == 1


async def test_library_that_was_never_searched_closes_nothing():
    store = FakeStore()
    await make(store).close()
    assert store.closed == 0


async def test_rerank_model_is_loaded_and_closed():
    model = FakeReranker()
    library = make(FakeStore(), rerank_model=model)
    await library.load()
    await library.close()
    assert model.life == ["load", "close"]


def test_collections_may_be_limited():
    assert make(FakeStore()).serves("any")
    limited = make(FakeStore(), collections=frozenset({"town"}))
    assert [limited.serves(name) for name in ("town", "village")] == [True, False]
