"""An admin client of Kafka that knows topics, in place of the one that checks open."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest


def replace_admin_client(monkeypatch: pytest.MonkeyPatch, module: ModuleType, topics: list[str]) -> SimpleNamespace:
    """Give a module of checks a client with these `topics`, and return it. It raises its `failure`, if there is one."""
    kafka = SimpleNamespace(topics=topics, failure=None)

    async def list_topics() -> list[str]:
        if kafka.failure:
            raise kafka.failure
        known: list[str] = kafka.topics
        return known

    kafka.list_topics = list_topics

    @asynccontextmanager
    async def admin_client(_: Any) -> AsyncIterator[SimpleNamespace]:
        yield kafka

    monkeypatch.setattr(module, "admin_client", admin_client)
    return kafka
