"""What the tasks make of a small model, which goes on until it is cut."""

from typing import Any

import pytest

from carteiro.models.interface import Completion, Prompt
from carteiro.schemas import REQUESTS, Usage
from carteiro.worker.services import find_tasks

TASKS = {task.name: task for task in find_tasks()}


class Small:
    """Says one thing, and was cut there."""

    name, small, context_tokens = "small", True, None

    def __init__(self, says: str) -> None:
        self._says = says

    def count_tokens(self, text: str) -> int:
        return len(text)

    async def load(self) -> None: ...

    async def close(self) -> None: ...

    async def complete(self, prompt: Prompt) -> Completion:
        return Completion(self._says, "length", Usage())


async def done(task: str, says: str, **request: Any) -> Any:
    return await TASKS[task].run(REQUESTS[task].model_validate(request), Small(says))


@pytest.mark.parametrize(
    ("context", "said", "finish_reason"),
    [
        ("The bridge was opened in 1867.", "The bridge was opened in", "length"),
        ("The bridge was opened in 1867.", "The bridge was opened in 1867.", "stop"),
        ("The bridge was called “the old lady.”", "The bridge was called “the old lady.”", "stop"),
        ("The bridge was opened in 1867…", "The bridge was opened in 1867…", "stop"),
        ("橋は一八六七年に開通した。", "橋は一八六七年に開通した。", "stop"),
    ],
)
async def test_an_answer_that_has_its_end_was_not_cut(context: str, said: str, finish_reason: str) -> None:
    question = context.removesuffix("。") if "橋" in context else "What was the bridge?"
    answered = await done("answer", said, question=question, context=context)
    assert (answered.result.answer, answered.finish_reason) == (said, finish_reason)


async def test_what_a_small_model_says_between_quotes_is_a_whole_sentence() -> None:
    text = "The mayor said: “The market stays open.” It rained all day."
    summed = await done("summarize", "It rained all day. The mayor said: “The market stays open.”", text=text)
    assert summed.result.summary == "It rained all day. The mayor said: “The market stays open.”"
    assert summed.finish_reason == "stop"


async def test_the_sentence_in_which_a_small_model_was_cut_is_left_out() -> None:
    summed = await done("summarize", "It rained all day. The mayor said", text="It rained all day. The mayor said so.")
    assert summed.result.summary == "It rained all day."
