"""Tasks with a real HTTP provider whose completions the test sets: the requests and the results."""

from collections.abc import Sequence
from typing import Any

import pytest

from carteiro.models.registry import open_model
from carteiro.models.settings import ModelSettings
from carteiro.schemas import REQUESTS
from carteiro.schemas.collection import Passage
from carteiro.tasks.discovery import find_tasks
from tests.provider import Provider

TASKS = {task.name: task for task in find_tasks()}


TOO_LONG = object()
"""Completion that stands for a prompt that the provider finds too long."""


@pytest.fixture
async def ask(provider: Provider):
    """Return `await ask(task, says, **request)`. `says` are the completions, one a call; the last one repeats.

    `passages` are those that were found in the request's collection.
    """
    model = open_model(f"{provider.url}#echo", ModelSettings())

    async def call(task: str, says: list[Any], passages: Sequence[Passage] = (), **fields: Any):
        for output in says:
            if output is TOO_LONG:
                provider.next("context")
            else:
                provider.queue_completion(*output if isinstance(output, tuple) else (output, "stop"))
        request: Any = REQUESTS[task].model_validate(fields)
        return await TASKS[task].run(request.with_passages(tuple(passages)) if passages else request, model)

    yield call
    provider.forget()
    await model.close()
