"""The connection to a store of documents, which may be away: then work waits, and the worker takes in no more."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from carteiro.concurrency.backoff import Backoff
from carteiro.retrieval.errors import DocumentStoreInvalid, DocumentStoreUnavailable
from carteiro.retrieval.store import DocumentStore
from carteiro.worker.observability import metrics

log = structlog.get_logger("carteiro.worker")

T = TypeVar("T")

_AWAY = (DocumentStoreUnavailable, DocumentStoreInvalid)
"""Errors that are no document's fault. A store that is set up wrongly may be corrected while the worker waits."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0


class StoreConnection:
    """A store that is opened at its first use. `on_change` is called when the store goes away and comes back."""

    def __init__(
        self,
        store: DocumentStore,
        on_change: Callable[[], None] = lambda: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store, self._on_change, self._sleep = store, on_change, sleep
        self._was_tried = self._is_open = False
        self._opening = asyncio.Lock()
        self._waiting = 0
        self.pause_reason: str | None = None
        """Reason to take in no more documents; None if the store answers."""

    async def run(self, work: Callable[[DocumentStore], Awaitable[T]]) -> T:
        """Return the result of `work`, which is tried again while the store is away. Raise its other errors."""
        backoff = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE, sleep=self._sleep)
        try:
            while True:
                try:
                    result = await work(await self._opened())
                except _AWAY as error:
                    self._waiting += backoff.failures == 0
                    self._set_reason(str(error))
                    await backoff.pause()
                else:
                    self._set_reason(None)
                    return result
        finally:
            self._waiting -= backoff.failures > 0
            if not self._waiting:
                # Only work that waits can notice that the store is back.
                self._set_reason(None)

    async def close(self) -> None:
        """Close the store, also if it was away all the time: its connections go on trying."""
        if self._was_tried:
            await self._store.close()

    async def _opened(self) -> DocumentStore:
        async with self._opening:
            if not self._is_open:
                self._was_tried = True
                await self._store.open()
                self._is_open = True
        return self._store

    def _set_reason(self, reason: str | None) -> None:
        before, self.pause_reason = self.pause_reason, reason
        if (before is None) == (reason is None):
            return
        metrics.STORE_AWAY.set(reason is not None)
        if reason is not None:
            log.error("the store of documents is away; no documents are taken until it is back", reason=reason)
        else:
            log.info("documents are taken again")
        self._on_change()
