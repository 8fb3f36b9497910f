"""Answers with a small model: it reads only the sentence that the question is about, and must not go beyond it.

A model of some hundred million parameters gets lost in a whole context and never says that it does not know. This
method gave the most correct and the fewest invented answers of all that were tried (`tests/quality`).
"""

import asyncio
from collections.abc import Sequence

from carteiro.models.interface import ChatModel
from carteiro.models.prompt import Message
from carteiro.schemas import Usage
from carteiro.schemas.answer import AnswerRequest, AnswerResult
from carteiro.schemas.collection import Passage
from carteiro.tasks.task import TaskOutput, build_prompt, complete
from carteiro.text.grounding import content_words, names_supported, normalise, numbers_supported, overlap
from carteiro.text.sentences import Sentence, is_complete, split_sentences
from services.answer.material import NOT_FOUND, PassageSpan, answer_at, passages_to_read

_MIN_RELEVANCE = 0.6
"""Minimum share of the question's words in a sentence for the question to be about it."""
_MIN_GROUNDED_SHARE = 0.5
"""Minimum share, in the sentence, of the words that an answer adds to the question."""
_MAX_OUTPUT_TOKENS = 32
_PROMPTS = (
    "Text: {sentence}\n\n{question}",
    "{sentence}\n\n{question} Answer in one short sentence.",
    "Context: {sentence}\n\nQuestion: {question}\n\nAnswer the question using only the context.",
)
"""Prompts to try in order, until an answer rests on the sentence."""


async def answer_with_small_model(request: AnswerRequest, model: ChatModel) -> TaskOutput[AnswerResult]:
    """Answer from the sentence of a text that shares the most words with the question, if it shares enough."""
    usage = Usage()
    wanted = content_words(request.question)
    # A context may have ten thousand sentences, so the search runs off the event loop.
    passages = passages_to_read(request)
    number, sentence = await asyncio.to_thread(_most_relevant_sentence, wanted, passages)
    if sentence and overlap(wanted, content_words(sentence.text)) >= _MIN_RELEVANCE:
        for template in _PROMPTS:
            content = template.format(sentence=sentence.text, question=request.question)
            completion = await complete(
                model, build_prompt(request, [Message("user", content)], max_output_tokens=_MAX_OUTPUT_TOKENS)
            )
            usage += completion.usage
            first = next(split_sentences(completion.text), None)
            if first and _is_grounded(first.text, request.question, sentence, passages[number].text):
                cut = completion.finish_reason == "length" and first.end == len(completion.text.rstrip())
                result = answer_at(request, first.text, [PassageSpan(number, sentence.start, sentence.end)])
                return TaskOutput(result, usage, "length" if cut and not is_complete(first.text) else "stop")
    return TaskOutput(NOT_FOUND, usage)


def _most_relevant_sentence(question_words: frozenset[str], passages: Sequence[Passage]) -> tuple[int, Sentence | None]:
    """Return the sentence with the most words of the question, and the number of its passage from 0."""
    sentences = ((number, sentence) for number, each in enumerate(passages) for sentence in split_sentences(each.text))
    return max(sentences, key=lambda each: overlap(question_words, content_words(each[1].text)), default=(0, None))


def _is_grounded(answer: str, question: str, sentence: Sentence, text: str) -> bool:
    """Return True if the answer rests on the sentence of a text. The answer must contain no invented name or number."""
    # A name or a number may also come from the question, if the text has it too.
    source = f"{sentence.text} {question}"
    if not all(check(answer, within) for check in (names_supported, numbers_supported) for within in (source, text)):
        return False
    if f" {normalise(answer)} " in f" {normalise(sentence.text)} ":
        return True
    new_words = content_words(answer) - content_words(question)
    return overlap(new_words, content_words(sentence.text)) >= _MIN_GROUNDED_SHARE
