"""Answering with a small model: it is shown the one sentence that the question is about, and held to it.

A model of some hundred million parameters gets lost in a whole context and never says that it does not know.
Of what was tried, this gave the most right answers and the fewest invented ones (`tests/quality`).
"""

import asyncio

from carteiro.models.grounding import content_words, numbers_hold, plain, share
from carteiro.models.interface import ChatModel, Message
from carteiro.models.sentences import Sentence, sentences, whole
from carteiro.schemas import AnswerRequest, AnswerResult, Span, Usage
from carteiro.worker.task import Done, complete, prompt

_RELEVANT = 0.6
"""Which part of the question's words a sentence needs for the question to be about it."""
_GROUNDED = 0.5
"""Which part of what an answer adds to the question has to be in the sentence."""
_OUTPUT_TOKENS = 32
_ASKED = (
    "Text: {sentence}\n\n{question}",
    "{sentence}\n\n{question} Answer in one short sentence.",
    "Context: {sentence}\n\nQuestion: {question}\n\nAnswer the question using only the context.",
)
"""Asked one after the other, until an answer rests on the sentence."""


async def answer_by_sentence(request: AnswerRequest, model: ChatModel) -> Done[AnswerResult]:
    """Answer from the sentence that shares the most words with the question, if it shares enough."""
    usage = Usage()
    wanted = content_words(request.question)
    # Off the event loop: a context may have ten thousand sentences.
    sentence = await asyncio.to_thread(_nearest, wanted, request.context)
    if sentence and share(wanted, content_words(sentence.text)) >= _RELEVANT:
        for template in _ASKED:
            asked = template.format(sentence=sentence.text, question=request.question)
            completion = await complete(
                model, prompt(request, [Message("user", asked)], max_output_tokens=_OUTPUT_TOKENS)
            )
            usage += completion.usage
            said = next(sentences(completion.text), None)
            if said and _rests_on(said.text, wanted, sentence):
                span = Span(start=sentence.start, end=sentence.end, text=sentence.text)
                cut = completion.finish_reason == "length" and said.end == len(completion.text.rstrip())
                result = AnswerResult(found=True, answer=said.text, span=span)
                return Done(result, usage, "length" if cut and not whole(said.text) else "stop")
    return Done(AnswerResult(found=False), usage)


def _nearest(wanted: frozenset[str], context: str) -> Sentence | None:
    return max(sentences(context), key=lambda each: share(wanted, content_words(each.text)), default=None)


def _rests_on(answer: str, question: frozenset[str], sentence: Sentence) -> bool:
    if f" {plain(answer)} " in f" {plain(sentence.text)} ":
        return True
    said, source = content_words(answer), content_words(sentence.text)
    return share(said - question, source) >= _GROUNDED and numbers_hold(said, source)
