"""Question answering heads: held-out spans right to the character, and the same as Transformers' own call."""

import asyncio
import itertools
import unicodedata
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

from carteiro.models.failures import PromptTooLarge
from carteiro.models.interface import ReaderModel
from carteiro.schemas import AnswerRequest
from services.answer.task import answer
from tests.unit.models.local import toys
from tests.unit.models.local.conftest import ENCODERS

pytestmark = [pytest.mark.slow, pytest.mark.long]

SHORT = toys.questions(120, seed=99, longest=8)
LONG = toys.questions(60, seed=98, shortest=120, longest=160)


@pytest.fixture(params=ENCODERS)
def directory(request: pytest.FixtureRequest, made) -> Path:
    return made("reader", request.param)


@pytest.mark.parametrize("asked", [SHORT, LONG], ids=["one window", "many windows"])
async def test_held_out_answers_are_found(directory, load, asked):
    model = await load(directory)
    assert isinstance(model, ReaderModel)
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


async def test_alone_or_in_a_batch_it_says_what_transformers_says(directory, load):
    model = await load(directory)
    tokenizer = AutoTokenizer.from_pretrained(directory)
    plain = AutoModelForQuestionAnswering.from_pretrained(directory)
    asked = SHORT[:24]
    together = await asyncio.gather(*(model.read(each.question, each.context) for each in asked))
    for each, reading in zip(asked, together, strict=True):
        pair = (each.question, each.context)
        side = 1
        if tokenizer.padding_side == "left":
            pair, side = pair[::-1], 0
        encoded = tokenizer(*pair, return_tensors="pt", return_offsets_mapping=True)
        offsets, of = encoded.pop("offset_mapping")[0].tolist(), encoded.sequence_ids()
        with torch.inference_mode():
            output = plain(**encoded)
        start, end = output.start_logits[0].tolist(), output.end_logits[0].tolist()
        sums = {
            (first, last): start[first] + end[last]
            for first in range(len(of))
            for last in range(first, min(first + 30, len(of)))
            if of[first] == of[last] == side
        }
        first, last = max(sums, key=lambda place: sums[place])
        none = encoded["input_ids"][0].tolist().index(tokenizer.cls_token_id)
        margin = sums[first, last] - (start[none] + end[none])
        assert reading.score == pytest.approx(float(torch.sigmoid(torch.tensor(margin))), abs=1e-3)
        expected = each.context[offsets[first][0] : offsets[last][1]].strip() if margin > 0 else None
        said = None if reading.start is None else each.context[reading.start : reading.end]
        assert said is None or unicodedata.normalize("NFC", said).startswith(unicodedata.normalize("NFC", expected))
        assert (said is None) == (expected is None)


async def test_a_question_that_leaves_no_room_is_refused(directory, load):
    model = await load(directory)
    with pytest.raises(PromptTooLarge, match="question has"):
        await model.read("who went ? " * 30, "by anna")


async def test_windows_cover_the_context_and_overlap(directory, load):
    model = await load(directory)
    context = LONG[0].context
    windows = model._windows("who went ?", context)
    assert len(windows) > 2
    covered = [[place for place in window.offsets if place] for window in windows]
    for one, other in itertools.pairwise(covered):
        assert other[0][0] < one[-1][1]
    letters = {at for places in covered for start, end in places for at in range(start, end)}
    assert all(at in letters for at, each in enumerate(context) if each.isascii() and not each.isspace())
    assert all(len(window.encoded["input_ids"]) <= 64 for window in windows)
