"""The answer task with a chat model."""

import json

import pytest

from carteiro.models.errors import InvalidOutput, Unsupported
from carteiro.schemas.answer import AnswerRequest
from services.answer.task import answer
from tests import media
from tests.unit.services.word_embedder import WordEmbedder


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


INVOICE = {"data": media.encoded(media.PDF), "name": "invoice.pdf"}
DUE = json.dumps({"found": True, "answer": "on 3 May", "quote": "due on 3 May"})


async def test_answer_is_read_from_an_attachment(ask, provider):
    done = await ask("answer", [DUE], question="When is it due?", attachments=[INVOICE])
    assert (done.result.found, done.result.answer, done.result.span) == (True, "on 3 May", None)
    file, text = provider.requests[-1].body["messages"][0]["content"]
    assert file["file"]["filename"] == "invoice.pdf"
    assert text["text"].startswith("Answer the question from the attached material and from nothing else.")
    assert text["text"].endswith("the others are empty.\n\nQuestion: When is it due?")


async def test_answer_may_come_from_a_context_with_an_attachment(ask, provider):
    done = await ask("answer", [DUE], question="When?", context="It is due on 3 May.", attachments=[INVOICE])
    assert done.result.span.text == "due on 3 May"
    text = provider.requests[-1].body["messages"][0]["content"][1]["text"]
    assert text.startswith("Answer the question from the context and the attached material and from nothing else.")
    assert "\n\nContext:\nIt is due on 3 May.\n\nQuestion: When?" in text


async def test_model_that_reads_only_texts_is_not_asked():
    request = AnswerRequest.model_validate({"question": "When?", "attachments": [INVOICE]})
    with pytest.raises(Unsupported, match="takes no images and no PDF files and no sounds"):
        await answer(request, WordEmbedder())
