"""Access of a command to the store of collections, and its error messages."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from carteiro.cli.exit_codes import EXIT_USAGE, exit_with
from carteiro.cli.kafka import silence_worker_logs
from carteiro.retrieval.errors import CollectionUnknown, DocumentStoreInvalid, DocumentStoreUnavailable
from carteiro.retrieval.store import DocumentStore
from carteiro.retrieval.stores.factory import create_store
from carteiro.settings.environment import SettingsInvalid, load_settings
from carteiro.settings.worker import WorkerSettings

T = TypeVar("T")


def load_worker_settings() -> WorkerSettings:
    """Return the settings of a worker. Exit with an error if they are invalid."""
    try:
        return load_settings()[0]
    except SettingsInvalid as error:
        exit_with("; ".join(str(error).splitlines()), EXIT_USAGE)


def with_store(settings: WorkerSettings, work: Callable[[DocumentStore], Coroutine[Any, Any, T]]) -> T:
    """Run `work` on the opened store. Exit with an error if the store fails."""

    silence_worker_logs()

    async def run() -> T:
        store = create_store(settings.store_url)
        try:
            await store.open()
            return await work(store)
        finally:
            await store.close()

    try:
        return asyncio.run(run())
    except DocumentStoreInvalid as error:
        exit_with(f"CARTEIRO_STORE: {error}", EXIT_USAGE)
    except DocumentStoreUnavailable as error:
        exit_with(f"the store of documents (CARTEIRO_STORE) is away: {error}")
    except CollectionUnknown as error:
        exit_with(f"{error}; `carteiro index status` lists those that CARTEIRO_STORE has", EXIT_USAGE)
