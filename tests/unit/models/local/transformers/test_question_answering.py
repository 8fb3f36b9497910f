"""Question answering models: exact spans on held-out examples, and equal to direct calls of Transformers."""

import asyncio
import itertools
import unicodedata
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

from carteiro.models.errors import PromptTooLarge
from carteiro.models.interface import QuestionAnsweringModel
from carteiro.schemas.answer import AnswerRequest
from services.answer.task import answer
from tests.unit.models.local import toys
from tests.unit.models.local.conftest import ENCODERS

pytestmark = [pytest.mark.slow, pytest.mark.long]

SHORT = toys.questions(120, seed=99, max_words=8)
LONG = toys.questions(60, seed=98, min_words=120, max_words=160)


@pytest.fixture(params=ENCODERS)
def directory(request: pytest.FixtureRequest, made) -> Path:
    return made("reader", request.param)


@pytest.mark.parametrize("asked", [SHORT, LONG], ids=["one window", "many windows"])
async def test_held_out_answers_are_found(directory, load, asked):
    model = await load(directory)
    assert isinstance(model, QuestionAnsweringModel)
    found = await asyncio.gather(
        *(answer(AnswerRequest(question=each.question, context=each.context), model) for each in asked)
    )
    right = 0
    for each, done in zip(asked, found, strict=True):
        span = done.result.span
        assert (span is None) == (not done.result.found)
        if span is not None:
            assert each.context[span.start : span.end] == span.text == done.result.answer
        right += (span and (span.start, span.end)) == (None if each.start is None else (each.start, each.end))
    assert right >= 0.9 * len(asked)


async def test_batched_answers_equal_transformers(directory, load):
    model = await load(directory)
    tokenizer = AutoTokenizer.from_pretrained(directory)
    plain = AutoModelForQuestionAnswering.from_pretrained(directory)
    asked = SHORT[:24]
    together = await asyncio.gather(*(model.find_answer(each.question, each.context) for each in asked))
    for each, extracted in zip(asked, together, strict=True):
        pair = (each.question, each.context)
        side = 1
        if tokenizer.padding_side == "left":
            pair, side = pair[::-1], 0
        encoded = tokenizer(*pair, return_tensors="pt", return_offsets_mapping=True)
        offsets, sides = encoded.pop("offset_mapping")[0].tolist(), encoded.sequence_ids()
        with torch.inference_mode():
            output = plain(**encoded)
        start, end = output.start_logits[0].tolist(), output.end_logits[0].tolist()
        sums = {
            (first, last): start[first] + end[last]
            for first in range(len(sides))
            for last in range(first, min(first + 30, len(sides)))
            if sides[first] == sides[last] == side
        }
        first, last = max(sums, key=lambda span: sums[span])
        null_index = encoded["input_ids"][0].tolist().index(tokenizer.cls_token_id)
        margin = sums[first, last] - (start[null_index] + end[null_index])
        assert extracted.score == pytest.approx(float(torch.sigmoid(torch.tensor(margin))), abs=1e-3)
        expected = each.context[offsets[first][0] : offsets[last][1]].strip() if margin > 0 else None
        found = None if extracted.start is None else each.context[extracted.start : extracted.end]
        assert found is None or unicodedata.normalize("NFC", found).startswith(unicodedata.normalize("NFC", expected))
        assert (found is None) == (expected is None)


async def test_question_without_room_for_context_is_rejected(directory, load):
    model = await load(directory)
    with pytest.raises(PromptTooLarge, match="question has"):
        await model.find_answer("who went ? " * 30, "by anna")


async def test_windows_cover_the_context_and_overlap(directory, load):
    model = await load(directory)
    context = LONG[0].context
    windows = model._split_windows("who went ?", context)
    assert len(windows) > 2
    covered = [[offset for offset in window.offsets if offset] for window in windows]
    for one, other in itertools.pairwise(covered):
        assert other[0][0] < one[-1][1]
    letters = {at for offsets in covered for start, end in offsets for at in range(start, end)}
    assert all(at in letters for at, each in enumerate(context) if each.isascii() and not each.isspace())
    assert all(len(window.encoded["input_ids"]) <= 64 for window in windows)
