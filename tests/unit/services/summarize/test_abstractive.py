"""Summaries that a model writes."""

import pytest

from carteiro.models.errors import InvalidOutput, PromptTooLarge
from tests.unit.services.conftest import TOO_LONG
from tests.unit.services.fake_small_model import run_task


async def test_summarize_splits_too_long_texts_and_pays_for_nothing_twice(ask, provider):
    before = len(provider.requests)
    text = "The first half is about apples. " * 4 + "The second half is about pears. " * 4
    done = await ask("summarize", [TOO_LONG, "Apples.", "Pears.", "Fruit."], text=text)
    assert (done.result.summary, done.result.parts) == ("Fruit.", 2)
    prompt_text = [received.body["messages"][0]["content"] for received in provider.requests[before:]]
    assert len(prompt_text) == 4
    assert "apples" in prompt_text[1]
    assert "pears" not in prompt_text[1]
    assert prompt_text[3].endswith("Apples.\nPears.")


async def test_summarize_that_is_always_too_long_ends_after_few_calls(ask, provider):
    before = len(provider.requests)
    with pytest.raises(PromptTooLarge):
        await ask("summarize", [TOO_LONG] * 30, text="words " * 1000)
    assert len(provider.requests) - before < 16


async def test_rest_of_a_text_is_in_pieces_of_the_size_that_was_accepted(ask, provider):
    before = len(provider.requests)
    text = "The rain fell on the town. " * 64
    done = await ask("summarize", [TOO_LONG] * 3 + ["Rain."], text=text)
    sizes = [len(received.body["messages"][0]["content"]) for received in provider.requests[before:]]
    assert done.result.parts == 8
    assert len(sizes) == 3 + 8
    assert max(sizes[3:11]) < 1.2 * min(sizes[3:11])


async def test_summaries_that_do_not_shrink_are_not_summarized_forever(ask, provider):
    before = len(provider.requests)
    text = "One two three four five. " * 8
    done = await ask("summarize", [TOO_LONG, text[:90], text[:90]], text=text)
    assert len(provider.requests) == before + 3
    assert done.result.parts == 2


async def test_bullets_are_the_lines(ask):
    done = await ask("summarize", ["- One.\n* Two.\n3. Three.\n"], text="x", style="bullets")
    assert done.result.bullets == ["One.", "Two.", "Three."]
    assert done.result.summary == "- One.\n- Two.\n- Three."


async def test_cut_summary_is_marked_as_cut(ask):
    assert (await ask("summarize", [("The cou", "length")], text="x")).finish_reason == "length"


async def test_cut_sentence_of_a_small_model_is_left_out() -> None:
    summed = await run_task(
        "summarize", "It rained all day. The mayor said", text="It rained all day. The mayor said so."
    )
    assert summed.result.summary == "It rained all day."


@pytest.mark.parametrize(
    ("output", "invented"),
    [("The bridge was built in 1932.", "1932"), ("Anna Kowalska built the bridge.", "Kowalska")],
)
async def test_small_model_with_only_invented_facts_gives_no_summary(output: str, invented: str) -> None:
    text = "The bridge was built of stone. It was opened in 1867 by the mayor."
    assert invented not in text
    with pytest.raises(InvalidOutput):
        await run_task("summarize", output, text=text)


async def test_quoted_text_of_a_small_model_is_a_whole_sentence() -> None:
    text = "The mayor said: “The market stays open.” It rained all day."
    summed = await run_task("summarize", "It rained all day. The mayor said: “The market stays open.”", text=text)
    assert summed.result.summary == "It rained all day. The mayor said: “The market stays open.”"
    assert summed.finish_reason == "stop"
