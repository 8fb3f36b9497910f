"""Extractive answers with an embedding model: the sentence of the context that answers, if there is one."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from carteiro.models.interface import EmbeddingModel
from carteiro.models.long_text_embedding import embed_long_texts
from carteiro.schemas import Usage
from carteiro.schemas.answer import AnswerRequest, AnswerResult, Span
from carteiro.tasks.task import TaskOutput
from carteiro.text.answer_types import answer_span
from carteiro.text.answers import Candidate, best_answer, part_contexts, refers_back, shortlist
from carteiro.text.questions import Question, parse_question, split_words
from carteiro.text.structure import TextPart, split_parts
from carteiro.text.vectors import Vector, cosine


@dataclass(frozen=True, slots=True)
class CandidateAnswers:
    """The sentences of a context that may answer a question.

    `vectors` are the vectors of single words. `context_words` are all words of the context.
    """

    candidates: Sequence[Candidate]
    context_words: frozenset[str]
    vectors: Mapping[str, Vector]
    usage: Usage

    def similarity(self, left: str, right: str) -> float:
        """Return the similarity of two words, -1 to 1; 0 if a word has no vector."""
        first, second = self.vectors.get(left), self.vectors.get(right)
        return cosine(first, second) if first and second else 0.0


async def answer_by_similarity(request: AnswerRequest, model: EmbeddingModel) -> TaskOutput[AnswerResult]:
    """Answer with a sentence of the context. The span is the mention that answers, or the whole sentence.

    Raise what the model raises.
    """
    question = parse_question(request.question)
    found = await find_candidates(model, question, request.context)
    best = await asyncio.to_thread(best_answer, question, found.candidates, found.context_words, found.similarity)
    if best is None:
        return TaskOutput(AnswerResult(found=False), found.usage)
    begin, text = best.part.start, best.part.text
    if best.previous_part and refers_back(text):  # "That is why ...": the reason is in the sentence before
        begin, text = best.previous_part.start, f"{best.previous_part.text} {text}"
    source = request.context[begin : best.part.end]
    start, end = answer_span(question, source, found.similarity)
    span = Span(start=begin + start, end=begin + end, text=source[start:end])
    return TaskOutput(AnswerResult(found=True, answer=text.strip("| "), span=span), found.usage)


async def find_candidates(model: EmbeddingModel, question: Question, context: str) -> CandidateAnswers:
    """Return the candidates for the answer, by the vectors of all sentences.

    For the candidates, their contexts and their words are embedded too. Raise what the model raises.
    """
    text_parts = await asyncio.to_thread(split_parts, context)
    if not text_parts:
        return CandidateAnswers((), frozenset(), {}, Usage())
    embedded = await embed_long_texts(model, [question.text, *(part.text for part in text_parts)])
    of_question, *of_parts = embedded.vectors
    similarities = [cosine(of_question, each) for each in of_parts]
    chosen, known = await asyncio.to_thread(_shortlist, question, text_parts, similarities, context)
    contexts = part_contexts(text_parts)
    words = sorted(
        {word for at in chosen for word in split_words(text_parts[at].text) if len(word) > 2} | set(question.words)
    )
    in_context_texts = [f"{contexts[at]} {text_parts[at].text}".strip() for at in chosen]
    second = await embed_long_texts(model, [*in_context_texts, *words])
    in_context = [cosine(of_question, each) for each in second.vectors[: len(in_context_texts)]]
    candidates = [
        Candidate(
            text_parts[at],
            text_parts[at - 1] if at else None,
            contexts[at],
            similarities[at],
            similarities[at] - _best_other_similarity(similarities, at),
            within,
        )
        for at, within in zip(chosen, in_context, strict=True)
    ]
    vectors = dict(zip(words, second.vectors[len(in_context_texts) :], strict=True))
    return CandidateAnswers(candidates, known, vectors, embedded.usage + second.usage)


def _shortlist(
    question: Question, text_parts: Sequence[TextPart], similarities: Sequence[float], context: str
) -> tuple[list[int], frozenset[str]]:
    return shortlist(question, text_parts, similarities), frozenset(split_words(context))


def _best_other_similarity(similarities: Sequence[float], index: int) -> float:
    return max((each for other, each in enumerate(similarities) if other != index), default=0.0)
