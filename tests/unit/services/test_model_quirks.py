"""All tasks with models that think or know no JSON Schema: a useful result, and the number of calls."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from carteiro.models.errors import InvalidOutput, ModelError, Unsupported
from carteiro.models.registry import open_model
from carteiro.models.results import Completion
from carteiro.models.settings import ModelSettings
from carteiro.schemas import REQUESTS, Usage
from carteiro.tasks.discovery import find_tasks
from tests.unit.models.cloud.strict_server import (
    Rule,
    StrictServer,
    error,
    formats,
    no_max_tokens,
    only_temperature_1,
    unknown,
)

TASKS = {task.name: task for task in find_tasks()}
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
REQUESTED: dict[str, dict[str, Any]] = {
    "generate": {"prompt": "x", "json_schema": SCHEMA},
    "chat": {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]},
    "translate": {"text": "Hello", "target": "pt"},
    "summarize": {"text": "It rained. The river rose."},
    "sentiment": {"text": "Nice!"},
    "answer": {"question": "When?", "context": "In 1867."},
    "classify": {"text": "The kettle leaks.", "labels": ["delivery", "defect"]},
    "extract": {"text": "There is 1.", "fields": SCHEMA},
}
SAYS = {
    "generate": '```json\n{"n": 1}\n```',
    "chat": "Hello.",
    "translate": "Olá",
    "summarize": "The river rose.",
    "sentiment": 'Here you are: {"Positive": "90%", "negative": 0, "neutral": 0.1}',
    "answer": '{"found": "true", "answer": 1867, "quote": null, "confidence": 0.9}',
    "classify": 'The labels: ```json\n{"labels": [{"label": "Defect", "score": 90}], "reason": "leaks"}\n```',
    "extract": '{"data": {"n": 1}, "quotes": [{"path": "$.n", "quote": "There is 1"}]}',
}


def gpt_5(name: str) -> StrictServer:
    return StrictServer([no_max_tokens, only_temperature_1], text=SAYS[name], thinking_tokens=700)


def gemini(name: str) -> StrictServer:
    return StrictServer([unknown("seed", "store")], text=SAYS[name], thinking_tokens=700, empty={"role": "assistant"})


def deepseek(name: str) -> StrictServer:
    return StrictServer([formats("json_object")], text=SAYS[name], thinking_tokens=700)


def ollama(name: str) -> StrictServer:
    """Return an old version, which knows no formats and does not say so."""
    return StrictServer([unknown("response_format", wording="")], text=SAYS[name], thinking_tokens=700)


MODELS = {
    "gpt-5-mini": gpt_5,
    "o4-mini": gpt_5,
    "gemini-2.5-flash": gemini,
    "deepseek-reasoner": deepseek,
    "house-model": gpt_5,
    "house-model-2": ollama,
}


@pytest.fixture
async def ask() -> AsyncIterator[Any]:
    """Return the function `await ask(server, model, task, **request)`."""
    models: list[Any] = []

    async def call(server: StrictServer, model: str, task: str, **more: Any) -> Any:
        models.append(open_model(f"{server.url}#{model}", ModelSettings()))
        request = REQUESTS[task].model_validate(REQUESTED[task] | more)
        return await TASKS[task].run(request, models[-1])

    yield call
    for model in models:
        await model.close()


@pytest.mark.parametrize("task", REQUESTED)
@pytest.mark.parametrize("model", MODELS)
async def test_every_task_has_a_result(ask, model, task):
    async with MODELS[model](task) as server:
        done = await ask(server, model, task)
        assert done.finish_reason == "stop"
        result_json = done.result.model_dump_json()
        wanted = {
            "generate": '"n":1',
            "chat": "Hello.",
            "translate": "Olá",
            "summarize": "The river rose.",
            "sentiment": '"label":"positive"',
            "answer": '"answer":"1867"',
            "classify": '"label":"defect"',
            "extract": '"spans":{"n":[9,10]}',
        }
        assert wanted[task] in result_json
        assert server.answered_requests <= (1 if not model.startswith("house") else 2), (
            "a name that is known costs no call"
        )


@pytest.mark.parametrize("task", REQUESTED)
async def test_callers_temperature_is_unsupported(ask, task):
    async with gpt_5(task) as server:
        with pytest.raises(Unsupported, match="Only the default"):
            await ask(server, "gpt-5", task, options={"temperature": 0.2})
        assert len(server.bodies) == 1


@pytest.mark.parametrize("task", REQUESTED)
async def test_callers_limit_used_up_by_thinking_is_a_clear_error_after_one_answer(ask, task):
    async with gpt_5(task) as server:
        with pytest.raises(InvalidOutput, match="limit of 50 output tokens was used up before the first word"):
            await ask(server, "gpt-5", task, options={"max_output_tokens": 50})
        assert server.answered_requests == 1
        assert server.bodies[-1]["max_completion_tokens"] == 50


async def test_data_comes_with_its_own_text(ask):
    async with StrictServer(text=f"Sure:\n{SAYS['generate']}") as server:
        done = await ask(server, "m", "generate")
        assert (done.result.data, done.result.text) == ({"n": 1}, '{"n": 1}')


@pytest.mark.parametrize(
    "text",
    [
        '{"label": "joyful"}',
        '{"positive": 0.6}',
        '{"positive": {}, "negative": [], "neutral": 0}',
        '{"label": "positive"} {"label": "negative"}',
        "Positive, or maybe negative.",
    ],
)
async def test_unclear_sentiment_is_asked_for_twice(ask, text):
    async with StrictServer(text=text) as server:
        with pytest.raises(InvalidOutput):
            await ask(server, "m", "sentiment")
        assert len(server.bodies) == 2


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('{"found": true, "answer": "1867", "quote": "In 1867", "confidence": 0.9}', "1867"),
        ('{"Found": "True", "Answer": "1867", "Quote": null}', "1867"),
        ('{"answer": {"found": true, "answer": "1867", "quote": ""}}', "1867"),
        ('[{"found": true, "answer": 1867}]', "1867"),
        ('{"found": "false", "answer": null, "quote": null}', None),
        ('{"found": false}', None),
    ],
)
async def test_answer_understands_other_forms(ask, text, answer):
    async with StrictServer(text=text) as server:
        done = await ask(server, "m", "answer")
        assert (done.result.found, done.result.answer) == (answer is not None, answer)
        assert len(server.bodies) == 1


class UnconstrainableModel:
    """A model whose provider could not make it follow a JSON Schema, as Groq says with `json_validate_failed`."""

    name, remote, is_small, context_tokens = "failing", True, False, None

    def __init__(self) -> None:
        self.prompts: list[Any] = []

    async def complete(self, prompt: Any) -> Completion:
        self.prompts.append(prompt)
        if prompt.json_schema is not None:
            failure = InvalidOutput("Failed to generate JSON")
            failure.usage = Usage(input_tokens=1, output_tokens=2)
            raise failure
        return Completion('{"n": 1}', "stop", Usage(input_tokens=1, output_tokens=2))


async def test_failed_constraint_is_left_out_once_and_all_calls_are_counted():
    model = UnconstrainableModel()
    done = await TASKS["generate"].run(REQUESTS["generate"].model_validate(REQUESTED["generate"]), model)
    assert done.result.data == {"n": 1}
    assert done.usage.output_tokens == 4
    assert len(model.prompts) == 2
    assert json.dumps(SCHEMA) in model.prompts[1].messages[-1].content


WORST: dict[str, tuple[Rule | None, str, int, int]] = {
    "every answer is of another shape": (None, "no", 2, 2),
    "every answer is empty": (None, "", 2, 2),
    "no format is known, and every answer is of another shape": (formats(), "no", 4, 2),
    "everything is refused": (lambda body: error("Bad Request"), "no", 3, 0),
}
"""A rule, the model's text, the largest number of requests, and the number of paid ones."""


@pytest.mark.parametrize("case", WORST)
async def test_form_of_an_answer_costs_at_most_two_paid_calls(ask, case):
    rule, text, max_requests, paid = WORST[case]
    async with StrictServer([rule] if rule else [], text=text) as server:
        with pytest.raises(ModelError):
            await ask(server, "m", "generate")
        assert (len(server.bodies), server.answered_requests) == (max_requests, paid)
