"""A small model for tests, which writes what the test says."""

from typing import Any

from carteiro.models.prompt import Prompt
from carteiro.models.results import Completion
from carteiro.schemas import REQUESTS, Usage
from carteiro.tasks.discovery import find_tasks

TASKS = {task.name: task for task in find_tasks()}


class FakeSmallModel:
    """A model that always gives the same text, cut at its end."""

    name, remote, is_small, context_tokens = "small", False, True, None

    def __init__(self, says: str) -> None:
        self._says = says

    def count_tokens(self, text: str) -> int:
        return len(text)

    async def load(self) -> None: ...

    async def close(self) -> None: ...

    async def complete(self, prompt: Prompt) -> Completion:
        return Completion(self._says, "length", Usage())


async def run_task(task: str, says: str, **request: Any) -> Any:
    return await TASKS[task].run(REQUESTS[task].model_validate(request), FakeSmallModel(says))
