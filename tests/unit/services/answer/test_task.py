"""The answer task with a chat model."""

import json

import pytest

from carteiro.models.errors import InvalidOutput


async def test_answer_takes_the_span_from_the_quote(ask):
    context = "The bridge was opened in 1867. It was built by two brothers."
    output = json.dumps({"found": True, "answer": "1867", "quote": "opened in 1867"})
    done = await ask("answer", [output], question="When?", context=context)
    assert done.result.answer == "1867"
    assert context[done.result.span.start : done.result.span.end] == done.result.span.text == "opened in 1867"


async def test_answer_without_its_quote_in_the_context_has_no_span(ask):
    output = json.dumps({"found": True, "answer": "long ago", "quote": "in olden times"})
    assert (await ask("answer", [output], question="When?", context="In 1867.")).result.span is None


async def test_answer_may_be_no_answer(ask):
    output = json.dumps({"found": False, "answer": "", "quote": ""})
    assert not (await ask("answer", [output], question="Who?", context="In 1867.")).result.found


@pytest.mark.parametrize(
    "output",
    [
        "I think it was 1867.",
        '{"found": "perhaps", "answer": "", "quote": ""}',
        '{"found": true, "answer": null, "quote": ""}',
        '{"found": true}',
        "[" * 5000,
        "",
    ],
)
async def test_answer_of_another_shape_is_invalid_output(ask, output):
    with pytest.raises(InvalidOutput):
        await ask("answer", [output, output], question="When?", context="In 1867.")
