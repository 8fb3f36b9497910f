"""The packaged models, loaded once for these tests."""

from collections.abc import AsyncIterator

import pytest_asyncio

from carteiro.models.interface import Model
from carteiro.models.registry import open_model
from carteiro.models.settings import ModelSettings
from carteiro.tasks.discovery import find_tasks


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def models() -> AsyncIterator[dict[str, Model]]:
    tasks = find_tasks()
    opened = {name: open_model(name, ModelSettings()) for name in {task.default_model for task in tasks}}
    for model in opened.values():
        await model.load()
    yield {task.name: opened[task.default_model] for task in tasks}
    for model in opened.values():
        await model.close()
