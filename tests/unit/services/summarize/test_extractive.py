"""Summaries by sentences of the text."""

import pytest

from tests.unit.services.word_embedder import TEXT, run_task


@pytest.mark.parametrize("style", ["paragraph", "bullets"])
async def test_summary_is_made_of_sentences_of_the_text(style: str) -> None:
    summed = await run_task("summarize", text=TEXT, style=style)
    points = summed.result.bullets or summed.result.summary.split(". ")
    assert all(point.removesuffix(".") in TEXT for point in points)
    assert "market" in summed.result.summary
    assert "euros" not in summed.result.summary
    assert summed.usage.input_tokens > 0


@pytest.mark.parametrize("text", ["---", "```\n```", "ok"])
async def test_text_without_sentences_is_its_own_summary(text: str) -> None:
    assert (await run_task("summarize", text=text)).result.summary == " ".join(text.split())


async def test_sentence_longer_than_the_models_input_is_not_cut() -> None:
    long = "The market " + "by the river " * 30 + "opens."
    assert (await run_task("summarize", text=f"{long} Ok.", length="short")).result.summary == long
    answered = await run_task("answer", question="Which market opens by the river?", context=f"{long} Ok.")
    assert answered.result.answer in (long, None)
