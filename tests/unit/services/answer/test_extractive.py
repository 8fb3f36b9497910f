"""Answers by sentences of the context."""

import pytest

from tests.unit.services.word_embedder import TEXT, run_task


async def test_answer_is_a_sentence_and_its_span_the_thing_asked_for() -> None:
    result = (await run_task("answer", question="How many stalls has the market?", context=TEXT)).result
    assert (result.found, result.answer, result.span.text) == (True, "The market has forty stalls.", "forty")
    assert TEXT[result.span.start : result.span.end] == "forty"


async def test_reason_is_shown_with_its_sentence() -> None:
    result = (await run_task("answer", question="Why do visitors take the stairs?", context=TEXT)).result
    assert result.answer == "The lift is broken. That is why visitors take the stairs."
    assert TEXT[result.span.start : result.span.end] == result.answer


@pytest.mark.parametrize("question", ["Who painted the ceiling?", "How many cars were sold?", "What is the password?"])
async def test_question_that_the_text_does_not_answer_is_not_answered(question: str) -> None:
    result = (await run_task("answer", question=question, context=TEXT)).result
    assert (result.found, result.answer, result.span) == (False, None, None)


async def test_context_without_words_answers_nothing() -> None:
    assert not (await run_task("answer", question="Who?", context="---")).result.found
