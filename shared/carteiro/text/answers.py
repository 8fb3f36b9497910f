"""Choice of the sentence in a text that answers a question, if there is one.

No single feature is enough. The similarity of meaning finds the sentences about the same subject. The answer type, the
shared words and the margin to the other sentences show if a sentence has the answer. The weights are fitted to
`tests/quality/texts/tuned` by logistic regression, and tests check minimum scores on other texts.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from carteiro.text.answer_types import WordSimilarity, answer_type_score, is_same_word, matching_spans, scale_similarity
from carteiro.text.questions import AnswerType, Question, split_words
from carteiro.text.structure import PartKind, TextPart

_LIGHT_VERBS = frozenset("have has had get be was do take make give go come say need want tell find know".split())
_LIGHT_VERB_WEIGHT = 0.4
"""Weight of a light verb; other words have weight 1."""
_SHARED_WORDS_WEIGHT = 0.3
"""Weight of the share of common words, added to the similarity for the shortlist."""
_CONTEXT_WEIGHT = 0.7
"""Weight of a word in the sentence before or the heading; a word in the sentence itself has weight 1."""
_BACK_REFERENCE = re.compile(r"(?i)(?:(?:that|this) is why|therefore|for that reason|por isso|é por isso)\b")
_WEIGHTS: Mapping[str, float] = {
    "always": -6.79,
    "similarity": 4.24,
    "in_context": -2.2,
    "margin": 2.01,
    "coverage": 1.89,
    "coverage_without_heads": 1.6,
    "heads": 1.28,
    "worst_word": 1.25,
    "unknown_words": 1.2,
    "has_kind": 1.03,
    "lacks_name": -0.94,
    "has_particulars": 0.66,
    "has_rare_form": 5.47,
    "is_heading": -1.21,
    "is_short_line": 0.51,
    "is_code": -1.04,
    "asks_name": -0.09,
    "asks_count": -0.48,
    "asks_thing": 0.1,
    "asks_yes_no": 0.07,
    "asks_reason": 0.52,
}
"""Printed by `python -m tests.quality.fit_weights`."""
_MIN_PROBABILITY = 0.3
"""Minimum probability of an answer."""
_MAX_CANDIDATES = 10


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence that may be the answer.

    `similarity` (-1 to 1) is the similarity of the question to the sentence. `in_context` is its similarity to the
    sentence with its `context`: the heading above it and the two parts before it. `margin` is `similarity` minus the
    highest similarity of another sentence.
    """

    part: TextPart
    previous_part: TextPart | None
    context: str
    similarity: float
    margin: float
    in_context: float


def shortlist(question: Question, text_parts: Sequence[TextPart], similarities: Sequence[float]) -> list[int]:
    """Return the indices of the parts that may be the answer, at most ten, the most promising first.

    `similarities` are those of the question to each part, -1 to 1.
    """
    eligible = [
        at
        for at, part in enumerate(text_parts)
        if part.kind is not PartKind.HEADING or matching_spans(question, part.text)
        if part.kind not in (PartKind.HEADING, PartKind.FIELD) or question.answer_type is not AnswerType.REASON
    ]

    def promise(at: int) -> float:
        own = split_words(text_parts[at].text)
        shared = sum(any(is_same_word(word, each) for each in own) for word in question.words)
        return similarities[at] + _SHARED_WORDS_WEIGHT * shared / max(len(question.words), 1)

    return sorted(eligible, key=promise, reverse=True)[:_MAX_CANDIDATES]


def part_contexts(text_parts: Sequence[TextPart]) -> list[str]:
    """Return the context of each part: the heading above it, and the two parts before it or its table's first row."""
    contexts: list[str] = []
    heading = columns = before = earlier = ""
    for part in text_parts:
        if part.kind is PartKind.ROW:
            contexts.append(f"{heading} {columns}".strip())
            columns = columns or part.text
        else:
            # A field does not name the thing it belongs to, but the first line of the text usually does.
            first = text_parts[0].text if part.kind is PartKind.FIELD else earlier
            contexts.append(f"{heading} {first} {before}".strip())
            columns = ""
        if part.kind is PartKind.HEADING:
            heading = part.text
        earlier, before = before, part.text
    return contexts


def best_answer(
    question: Question, candidates: Sequence[Candidate], text_words: frozenset[str], similarity: WordSimilarity
) -> Candidate | None:
    """Return the best candidate, or None if no candidate is probable enough.

    `text_words` are the words of the whole text.
    """
    rated = [(probability(answer_features(question, each, text_words, similarity)), each) for each in candidates]
    rated = [(rate, each) for rate, each in rated if rate >= _MIN_PROBABILITY]
    return max(rated, key=lambda each: each[0])[1] if rated else None


def refers_back(sentence: str) -> bool:
    """Return True if a sentence names the sentence before it as the reason."""
    return _BACK_REFERENCE.match(sentence) is not None


def answer_features(
    question: Question, candidate: Candidate, text_words: frozenset[str], similarity: WordSimilarity
) -> dict[str, float]:
    """Return the features of a candidate, by the names of their weights; empty if it cannot be the answer."""
    sentence, kind, answer_type = candidate.part.text, candidate.part.kind, question.answer_type
    own, around = split_words(sentence), split_words(candidate.context)
    matches = {word: _match_score(word, own, around, similarity) for word in question.words}
    others = [word for word in question.words if word not in question.heads]
    unknown = sum(not any(is_same_word(word, each) for each in text_words) for word in question.words)
    level = answer_type_score(question, sentence, similarity)
    return (
        {
            "always": 1.0,
            "similarity": candidate.similarity,
            "in_context": candidate.in_context,
            "margin": candidate.margin,
            "coverage": _weighted_mean(matches, question.words),
            "coverage_without_heads": _weighted_mean(matches, others or question.words),
            "heads": min((matches[word] for word in question.heads), default=0.5),
            "worst_word": min(matches.values(), default=0.0),
            "unknown_words": unknown / max(len(question.words), 1),
            "has_kind": float(level == 2 and answer_type is not AnswerType.THING),
            "lacks_name": float(level == 1 and answer_type is AnswerType.PERSON),
            "has_particulars": float(level == 2 and answer_type is AnswerType.THING),
            "has_rare_form": float(
                level == 2 and answer_type in (AnswerType.EMAIL, AnswerType.PHONE, AnswerType.COLOUR)
            ),
            "is_heading": float(kind is PartKind.HEADING),
            "is_short_line": float(kind in (PartKind.ROW, PartKind.FIELD, PartKind.ITEM)),
            "is_code": float(kind is PartKind.CODE),
            "asks_name": float(answer_type in (AnswerType.PERSON, AnswerType.NAME)),
            "asks_count": float(answer_type is AnswerType.COUNT),
            "asks_thing": float(answer_type is AnswerType.THING),
            "asks_yes_no": float(answer_type is AnswerType.YES_NO),
            "asks_reason": float(answer_type is AnswerType.REASON),
        }
        if level
        else {}
    )


def probability(features: Mapping[str, float], weights: Mapping[str, float] | None = None) -> float:
    """Return the logistic function of the weighted sum of the features; 0 if there are no features."""
    if not features:
        return 0.0
    weights = weights or _WEIGHTS
    value = sum(feature * weights.get(name, 0.0) for name, feature in features.items())
    return 1 / (1 + math.exp(-value))


def _weighted_mean(matches: Mapping[str, float], words: Sequence[str]) -> float:
    weights = {word: _LIGHT_VERB_WEIGHT if word in _LIGHT_VERBS else 1.0 for word in words}
    total = sum(weights.values())
    return sum(matches[word] * weight for word, weight in weights.items()) / total if total else 0.0


def _match_score(
    word: str, sentence_words: Sequence[str], context_words: Sequence[str], similarity: WordSimilarity
) -> float:
    if any(is_same_word(word, each) for each in sentence_words):
        return 1.0
    nearest = max((similarity(word, each) for each in sentence_words if len(each) > 2), default=0.0)
    return max(
        scale_similarity(nearest), _CONTEXT_WEIGHT if any(is_same_word(word, each) for each in context_words) else 0.0
    )
