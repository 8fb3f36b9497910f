"""A store that goes away while documents are written."""

import asyncio
from typing import Any

import pytest

from carteiro.retrieval.errors import DocumentStoreInvalid, DocumentStoreUnavailable, VectorMissing
from carteiro.worker.index.store_connection import StoreConnection
from carteiro.worker.observability import metrics


class FlakyStore:
    """A store that cannot be opened until its failures are used up."""

    def __init__(self, *failures: Exception) -> None:
        self.failures, self.opened, self.closed = list(failures), 0, 0

    async def open(self) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.opened += 1

    async def close(self) -> None:
        self.closed += 1


async def no_sleep(_: float) -> None:
    await asyncio.sleep(0)


def connect(store: Any, changes: list[str | None]) -> StoreConnection:
    connection = StoreConnection(store, lambda: changes.append(connection.pause_reason), no_sleep)
    return connection


async def work(store: Any) -> str:
    return "done"


@pytest.mark.parametrize("error", [DocumentStoreUnavailable("gone"), DocumentStoreInvalid("gone")])
async def test_work_waits_for_the_store_and_intake_pauses_meanwhile(error: Exception) -> None:
    changes: list[str | None] = []
    store = FlakyStore(error, error)
    connection = connect(store, changes)
    assert await connection.run(work) == "done"
    assert changes == ["gone", None]
    assert (connection.pause_reason, store.opened, metrics.STORE_AWAY._value.get()) == (None, 1, 0)


async def test_intake_goes_on_once_nothing_waits_for_the_store() -> None:
    changes: list[str | None] = []
    connection = connect(FlakyStore(*[DocumentStoreUnavailable("gone")] * 1000), changes)
    waiting = [asyncio.create_task(connection.run(work)) for _ in range(2)]
    while connection.pause_reason is None:
        await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.gather(waiting[0], return_exceptions=True)
    assert connection.pause_reason == "gone"
    waiting[1].cancel()
    await asyncio.gather(waiting[1], return_exceptions=True)
    assert changes == ["gone", None]


async def test_other_errors_are_raised_at_once() -> None:
    async def fail(store: Any) -> None:
        raise VectorMissing

    connection = connect(FlakyStore(), [])
    with pytest.raises(VectorMissing):
        await connection.run(fail)
    assert connection.pause_reason is None


@pytest.mark.parametrize("failures", [0, 1000])
async def test_store_is_closed_only_if_it_was_used(failures: int) -> None:
    store = FlakyStore(*[DocumentStoreUnavailable("gone")] * failures)
    connection = connect(store, [])
    await connection.close()
    used = asyncio.create_task(connection.run(work))
    while not (used.done() or connection.pause_reason):
        await asyncio.sleep(0)
    used.cancel()
    await connection.close()
    assert store.closed == 1
