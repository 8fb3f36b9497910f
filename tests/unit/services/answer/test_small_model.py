"""Answers of a small model."""

import pytest

from tests.unit.services.fake_small_model import run_task


@pytest.mark.parametrize(
    ("context", "output", "finish_reason"),
    [
        ("The bridge was opened in 1867.", "The bridge was opened in", "length"),
        ("The bridge was opened in 1867.", "The bridge was opened in 1867.", "stop"),
        ("The bridge was called “the old lady.”", "The bridge was called “the old lady.”", "stop"),
        ("The bridge was opened in 1867…", "The bridge was opened in 1867…", "stop"),
        ("橋は一八六七年に開通した。", "橋は一八六七年に開通した。", "stop"),
    ],
)
async def test_answer_with_its_end_was_not_cut(context: str, output: str, finish_reason: str) -> None:
    question = context.removesuffix("。") if "橋" in context else "What was the bridge?"
    answered = await run_task("answer", output, question=question, context=context)
    assert (answered.result.answer, answered.finish_reason) == (output, finish_reason)


@pytest.mark.parametrize(
    "output",
    [
        "The shop has 47 customers.",
        "The shop has forty-seven customers.",
        "Berta has 312 customers.",
        "The shop of Berta has 312 customers.",
        "312 customers in Lisbon.",
    ],
)
async def test_name_or_number_that_is_not_in_the_text_is_no_answer(output: str) -> None:
    context = "Anna's shop has 312 customers."
    answered = await run_task("answer", output, question="How many customers has the shop?", context=context)
    assert not answered.result.found


async def test_name_in_the_question_that_the_text_lacks_is_no_answer() -> None:
    output = "The mayor of Paris is Sadiq."
    answered = await run_task(
        "answer", output, question="Who is the mayor of Paris?", context="Sadiq is the mayor of London."
    )
    assert not answered.result.found


async def test_grounded_answer_is_an_answer() -> None:
    output = "The shop has 312 customers."
    answered = await run_task(
        "answer", output, question="How many customers has the shop?", context="Anna's shop has 312 customers."
    )
    assert (answered.result.found, answered.result.answer) == (True, output)
