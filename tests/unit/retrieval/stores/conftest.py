from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from carteiro.retrieval.store import DocumentStore
from carteiro.retrieval.stores.sqlite.store import SqliteStore


@pytest.fixture(params=["sqlite"])
def make_store(request, tmp_path):
    """Return a function that makes stores of the same empty contents: as many as a test has workers."""
    return lambda: SqliteStore(tmp_path / "documents.sqlite")


@pytest_asyncio.fixture
async def store(make_store) -> AsyncIterator[DocumentStore]:
    store = make_store()
    await store.open()
    yield store
    await store.close()
