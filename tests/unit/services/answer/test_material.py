"""Answers of local readers from passages, and the spans that they come from."""

from typing import Any

import pytest

from carteiro.models.results import ExtractedAnswer
from carteiro.schemas import Usage
from carteiro.schemas.answer import AnswerRequest, AnswerResult, Span
from carteiro.schemas.collection import Passage
from services.answer.material import PassageSpan, answer_at, passages_to_read
from services.answer.task import answer
from tests.unit.services.fake_small_model import FakeSmallModel
from tests.unit.services.word_embedder import WordEmbedder

PASSAGES = (
    Passage("fares", "A ticket costs two euros.", 40, "Fares"),
    Passage("market", "The market by the river has forty stalls. It opens in May.", 7, "Market"),
)
FROM_PASSAGES = AnswerRequest(question="How many stalls has the market?", collection="town").with_passages(PASSAGES)


class FakeReader:
    """Question answering model that finds a word in the texts that have it, with the given scores."""

    name, remote, is_small, context_tokens = "reader", False, True, 64

    def __init__(self, word: str, *scores: float) -> None:
        self.word, self.scores = word, list(scores)

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    async def load(self) -> None: ...

    async def close(self) -> None: ...

    async def find_answer(self, question: str, context: str) -> ExtractedAnswer:
        score, at = self.scores.pop(0), context.find(self.word)
        span = (None, None) if at < 0 else (at, at + len(self.word))
        return ExtractedAnswer(*span, score, Usage(input_tokens=10))


async def found(model: Any, request: AnswerRequest = FROM_PASSAGES) -> list[tuple[str, int, str]]:
    result = (await answer(request, model)).result
    assert result.span is None
    for each in result.sources:
        passage = next(passage for passage in PASSAGES if passage.key == each.key)
        assert passage.text[each.start - passage.start : each.end - passage.start] == each.quote
    return [(each.key, each.number, each.quote) for each in result.sources]


async def test_reader_answers_from_the_passage_of_which_it_is_most_certain() -> None:
    assert await found(FakeReader("co", 0.4, 0.9)) == [("fares", 1, "co")]
    assert await found(FakeReader("s ", 0.4, 0.9)) == [("market", 2, "s ")]
    assert await found(FakeReader("nothing", 0.4, 0.9)) == []
    assert (await answer(FROM_PASSAGES, FakeReader("co", 0.4, 0.9))).usage.input_tokens == 20


async def test_embedding_model_quotes_the_whole_sentence() -> None:
    assert await found(WordEmbedder()) == [("market", 2, "The market by the river has forty stalls.")]


async def test_small_model_is_shown_a_sentence_of_the_best_passage() -> None:
    assert await found(FakeSmallModel("Forty stalls.")) == [("market", 2, "The market by the river has forty stalls.")]
    assert await found(FakeSmallModel("Ninety stalls.")) == []


@pytest.mark.parametrize("model", [WordEmbedder(), FakeReader("x"), FakeSmallModel("x")])
async def test_no_passage_is_no_answer(model: Any) -> None:
    assert await found(model, FROM_PASSAGES.with_passages(())) == []


def test_context_is_read_as_the_only_passage() -> None:
    request = AnswerRequest(question="How many?", context="forty stalls")
    assert passages_to_read(request) == (Passage("", "forty stalls"),)
    assert answer_at(request, "40", [PassageSpan(0, 0, 5)]) == AnswerResult(
        found=True, answer="40", span=Span(start=0, end=5, text="forty")
    )
    assert answer_at(request, "40", []) == AnswerResult(found=True, answer="40")


def test_answer_from_a_collection_without_a_place_is_none() -> None:
    assert answer_at(FROM_PASSAGES, "40", []) == AnswerResult(found=False)
