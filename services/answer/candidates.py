"""The sentences of passages that may answer a question, by an embedding model."""

import asyncio
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from carteiro.models.interface import EmbeddingModel
from carteiro.models.long_text_embedding import embed_long_texts
from carteiro.schemas import Usage
from carteiro.schemas.collection import Passage
from carteiro.text.answers import Candidate, match_passages, part_contexts, shortlist
from carteiro.text.questions import Question, split_words
from carteiro.text.structure import StructuredPart, split_parts
from carteiro.text.vectors import Vector, cosine
from services.answer.material import PassageSpan


@dataclass(frozen=True, slots=True)
class PassageParts:
    """The parts of all passages, with indices as in one text in which the passages stand one after the other."""

    starts: list[int] = field(default_factory=list)
    """Index of the first character of each passage."""
    parts: list[StructuredPart] = field(default_factory=list)
    previous: list[StructuredPart | None] = field(default_factory=list)
    """The part before each part in its passage."""
    contexts: list[str] = field(default_factory=list)
    """The context of each part: the titles above it, and the parts before it in its passage."""
    words: set[str] = field(default_factory=set)
    """All words of the passages and their titles."""
    found: list[str] = field(default_factory=list)
    """Passages of a search with their titles, the best first; empty for a text that is given."""

    @classmethod
    def of(cls, passages: Sequence[Passage], *, are_ranked: bool = False) -> "PassageParts":
        """Return the parts of these passages. `are_ranked` is True if a search found them."""
        whole, start = cls(), 0
        for passage in passages:
            own = split_parts(passage.text)
            whole.starts.append(start)
            parts = [replace(each, start=each.start + start, end=each.end + start) for each in own]
            whole.parts.extend(parts)
            whole.previous.extend([None, *parts[:-1]] if parts else [])
            whole.contexts.extend(f"{passage.titles} {each}".strip() for each in part_contexts(own))
            titled = f"{passage.titles}\n{passage.text}"
            whole.words.update(split_words(titled))
            whole.found.extend([titled] if are_ranked else [])
            start += len(passage.text) + 1
        return whole

    def span(self, start: int, end: int) -> PassageSpan:
        """Return the span in its passage of the characters from `start` to `end`, which are in one passage."""
        number = bisect_right(self.starts, start) - 1
        return PassageSpan(number, start - self.starts[number], end - self.starts[number])


@dataclass(frozen=True, slots=True)
class CandidateAnswers:
    """The sentences of a text that may answer a question.

    `vectors` are the vectors of single words. `text_words` are all words of the text.
    """

    candidates: Sequence[Candidate]
    text_words: frozenset[str]
    vectors: Mapping[str, Vector]
    usage: Usage

    def similarity(self, left: str, right: str) -> float:
        """Return the similarity of two words, -1 to 1; 0 if a word has no vector."""
        first, second = self.vectors.get(left), self.vectors.get(right)
        return cosine(first, second) if first and second else 0.0


async def find_candidates(model: EmbeddingModel, question: Question, text: PassageParts) -> CandidateAnswers:
    """Return the candidates for the answer, by the vectors of all sentences.

    For the candidates, their contexts and their words are embedded too. Raise what the model raises.
    """
    parts, contexts = text.parts, text.contexts
    if not parts:
        return CandidateAnswers((), frozenset(), {}, Usage())
    embedded = await embed_long_texts(model, [question.text, *(part.text for part in parts)])
    of_question, *of_parts = embedded.vectors
    similarities = [cosine(of_question, each) for each in of_parts]
    matches = await asyncio.to_thread(match_passages, question, text.found)
    chosen = await asyncio.to_thread(shortlist, question, parts, similarities)
    words = sorted({word for at in chosen for word in split_words(parts[at].text) if len(word) > 2} | {*question.words})
    in_context_texts = [f"{contexts[at]} {parts[at].text}".strip() for at in chosen]
    second = await embed_long_texts(model, [*in_context_texts, *words])
    in_context = [cosine(of_question, each) for each in second.vectors[: len(in_context_texts)]]
    candidates = [
        Candidate(
            parts[at],
            text.previous[at],
            contexts[at],
            similarities[at],
            similarities[at] - _best_other_similarity(similarities, at),
            within,
            matches[text.span(parts[at].start, parts[at].end).passage] if matches else None,
        )
        for at, within in zip(chosen, in_context, strict=True)
    ]
    vectors = dict(zip(words, second.vectors[len(in_context_texts) :], strict=True))
    return CandidateAnswers(candidates, frozenset(text.words), vectors, embedded.usage + second.usage)


def _best_other_similarity(similarities: Sequence[float], index: int) -> float:
    return max((each for other, each in enumerate(similarities) if other != index), default=0.0)
