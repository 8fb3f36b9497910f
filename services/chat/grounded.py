"""Chat from the passages of a collection: the prompt, and the sources of the answer."""

import asyncio
import re
from collections.abc import Sequence

from carteiro.models.interface import ChatModel
from carteiro.models.prompt import Message
from carteiro.schemas.chat import ChatRequest
from carteiro.schemas.collection import Passage, Source
from carteiro.tasks.messages import prompt_message
from carteiro.tasks.passages import PASSAGE_RULE, fit_passages, passage_lines
from carteiro.text.grounding import content_words, overlap
from carteiro.text.sentences import Sentence, split_sentences

_RULES = f"""\
The user's last message comes with passages. Answer from them, and name the number of each passage that you use, in \
square brackets, such as [1]. If they do not have the answer, say so. {PASSAGE_RULE}"""
_CITATION = re.compile(r"\[(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\]")
_MIN_SHARE = 0.5
"""Smallest share of the answer's words in a sentence that is a source of an answer without citations."""


async def fit_request_passages(request: ChatRequest, model: ChatModel) -> tuple[Passage, ...]:
    """Return the passages that fit the model's context with the conversation and an answer."""
    texts = [_RULES, *(message.text for message in request.messages)]
    return await fit_passages(request.passages, model, texts, request.options.max_output_tokens)


def grounded_messages(request: ChatRequest, passages: Sequence[Passage]) -> list[Message]:
    """Return the messages with the rules in the system message, and the passages in the user's last message.

    The messages before that one stay the same from turn to turn, so a provider's prompt cache holds. A system
    message before it would too, but many chat templates reject it.
    """
    messages = list(map(prompt_message, request.messages))
    system = messages.pop(0).content if messages[0].role == "system" else ""
    last = max(number for number, message in enumerate(messages) if message.role == "user")
    found = passage_lines(passages) or "(The search found none.)"
    messages[last] = messages[last].with_text_before(f"Passages, one JSON object a line:\n{found}")
    return [Message("system", f"{system}\n\n{_RULES}".strip()), *messages]


async def find_sources(answer: str, passages: Sequence[Passage]) -> list[Source]:
    """Return a source for each passage that the answer cites: the sentence with the most words of the answer.

    The source of an answer without citations is the sentence with the most of its words, if it has half of them.
    """
    return await asyncio.to_thread(_sources, answer, passages)


def _sources(answer: str, passages: Sequence[Passage]) -> list[Source]:
    cited = [int(number) for found in _CITATION.finditer(answer) for number in re.findall(r"\d+", found[1])]
    numbers = [number for number in dict.fromkeys(cited) if 1 <= number <= len(passages)]
    words = content_words(_CITATION.sub("", answer))
    if numbers:
        best = [_best_sentence(number, passages[number - 1], words) for number in numbers]
    else:
        every = [_best_sentence(number, each, words) for number, each in enumerate(passages, 1)]
        best = [max(every, key=lambda each: each[0])] if every else []
        best = [each for each in best if each[0] >= _MIN_SHARE]
    return [
        passages[number - 1].source(number, sentence.start, sentence.end) for _, number, sentence in best if sentence
    ]


def _best_sentence(number: int, passage: Passage, words: frozenset[str]) -> tuple[float, int, Sentence | None]:
    """Return the sentence of a passage with the most of the words, after their share and the passage's number."""
    rated = [(overlap(words, content_words(each.text)), number, each) for each in split_sentences(passage.text)]
    return max(rated, key=lambda each: each[0], default=(0.0, number, None))
