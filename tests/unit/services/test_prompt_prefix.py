"""Prompts begin with what is the same in all requests of a task, so that providers' prompt caches hit."""

from typing import Any

import pytest

from carteiro.models.prompt import Prompt
from carteiro.models.results import Completion
from carteiro.schemas import REQUESTS
from carteiro.schemas.collection import Passage
from tests.unit.services.conftest import TASKS
from tests.unit.worker.failing_model import FailingModel

FIRST, SECOND = "Alpha. Quartz was mined here.", "Beta! Yews grow slowly."
CONTEXT = "The bridge was opened in 1867."
PASSAGE = Passage(key="k", text=CONTEXT)
FIELDS: dict[str, dict[str, Any]] = {
    "answer": {"question": "{}", "context": CONTEXT},
    "answer from passages": {"question": "{}", "collection": "handbook"},
    "chat": {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "{}"}]},
    "chat with passages": {"messages": [{"role": "user", "content": "{}"}], "collection": "handbook"},
    "classify": {"text": "{}", "labels": ["geology", "botany"]},
    "extract": {"text": "{}", "fields": {"type": "object", "properties": {"mineral": {"type": "string"}}}},
    "generate": {"system": "Be brief.", "prompt": "{}"},
    "sentiment": {"text": "{}", "labels": ["calm", "angry"]},
    "summarize": {"text": "{}", "length": "short"},
    "translate": {"text": "{}", "target": "pt"},
}


class Recorded(Exception):
    """The prompt is recorded."""


class RecordingModel(FailingModel):
    """Chat model that keeps its first prompt."""

    async def complete(self, prompt: Prompt) -> Completion:
        self.prompts.append(prompt)
        raise Recorded


def filled(value: Any, text: str) -> Any:
    if isinstance(value, dict):
        return {name: filled(each, text) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each, text) for each in value]
    return text if value == "{}" else value


async def rendered(case: str, text: str) -> str:
    """Return the prompt for a request about a text, as a provider reads it."""
    task = TASKS[case.partition(" ")[0]]
    request: Any = REQUESTS[task.name].model_validate(filled(FIELDS[case], text))
    if "collection" in FIELDS[case]:
        request = request.with_passages((PASSAGE,))
    model = RecordingModel()
    with pytest.raises(Recorded):
        await task.run(request, model)
    return "".join(f"<{each.role}>{each.content}" for each in model.prompts[0].messages)


@pytest.mark.parametrize("case", FIELDS)
async def test_requests_of_a_task_share_the_longest_possible_prefix(case: str) -> None:
    first, second = [await rendered(case, text) for text in (FIRST, SECOND)]
    assert first.endswith(FIRST), "all that is the same comes before the text"
    assert second == first.removesuffix(FIRST) + SECOND


def test_every_task_that_chats_is_checked() -> None:
    chats = {name for name, task in TASKS.items() if task.shares_model}
    assert {case.partition(" ")[0] for case in FIELDS} == chats
