"""Extractive answers with an embedding model: the sentence of a text that answers, if there is one."""

import asyncio

from carteiro.models.interface import EmbeddingModel
from carteiro.schemas.answer import AnswerRequest, AnswerResult
from carteiro.tasks.task import TaskOutput
from carteiro.text.answer_types import answer_span
from carteiro.text.answers import best_answer, refers_back
from carteiro.text.questions import parse_question
from services.answer.candidates import PassageParts, find_candidates
from services.answer.material import NOT_FOUND, PassageSpan, answer_at, passages_to_read


async def answer_by_similarity(request: AnswerRequest, model: EmbeddingModel) -> TaskOutput[AnswerResult]:
    """Answer with a sentence of the context or of a passage.

    The span in a context is the mention that answers, or the whole sentence. The quotation of a document is the whole
    sentence. Raise what the model raises.
    """
    question = parse_question(request.question)
    are_ranked = request.context is None
    text = await asyncio.to_thread(PassageParts.of, passages_to_read(request), are_ranked=are_ranked)
    found = await find_candidates(model, question, text)
    best = await asyncio.to_thread(best_answer, question, found.candidates, found.text_words, found.similarity)
    if best is None:
        return TaskOutput(NOT_FOUND, found.usage)
    begin, answer = best.part.start, best.part.text
    if best.previous_part and refers_back(answer):  # "That is why ...": the reason is in the sentence before
        begin, answer = best.previous_part.start, f"{best.previous_part.text} {answer}"
    span = text.span(begin, best.part.end)
    if request.context is not None:
        start, end = answer_span(question, request.context[span.start : span.end], found.similarity)
        span = PassageSpan(0, span.start + start, span.start + end)
    return TaskOutput(answer_at(request, answer.strip("| "), [span]), found.usage)
