"""Choice of the sentence in a text that answers a question, if there is one.

No single feature is enough. The similarity of meaning finds the sentences about the same subject. The answer type, the
shared words and the margin to the other sentences show if a sentence has the answer. The weights are fitted by logistic
regression: those for a text to `tests/quality/texts/tuned`, those for the passages of a search to the tuned questions
of `tests/quality/corpus`. Tests check minimum scores on other texts and questions.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from carteiro.text.answer_types import WordSimilarity, answer_type_score, is_same_word, matching_spans, scale_similarity
from carteiro.text.questions import AnswerType, Question, split_words
from carteiro.text.structure import PartKind, StructuredPart

_LIGHT_VERBS = frozenset("have has had get be was do take make give go come say need want tell find know".split())
_LIGHT_VERB_WEIGHT = 0.4
"""Weight of a light verb; other words have weight 1."""
_SHARED_WORDS_WEIGHT = 0.3
"""Weight of the share of common words, added to the similarity for the shortlist."""
_CONTEXT_WEIGHT = 0.7
"""Weight of a word in the sentence before or the heading; a word in the sentence itself has weight 1."""
_NAME = re.compile(r"\b[A-ZÀ-Þ]\w+|\d[\d.,:]*")
"""A name or a number."""
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
_PASSAGE_WEIGHTS: Mapping[str, float] = {
    "always": -6.99,
    "similarity": 1.16,
    "in_context": 0.37,
    "margin": 4.6,
    "coverage": 3.42,
    "coverage_without_heads": 2.07,
    "heads": 1.1,
    "worst_word": -0.55,
    "unknown_words": 1.87,
    "has_kind": 0.67,
    "lacks_name": -0.16,
    "has_particulars": 0.11,
    "has_rare_form": 0.93,
    "is_heading": -0.24,
    "is_short_line": -0.45,
    "is_code": 0.0,
    "asks_name": -0.09,
    "asks_count": 0.55,
    "asks_thing": 0.32,
    "asks_yes_no": 0.46,
    "asks_reason": 0.48,
    "is_first_passage": 0.32,
    "passage_rank": -0.17,
    "passage_margin": 1.36,
    "missing_names": -1.11,
    "lacks_number": -1.44,
}
"""Printed by `python -m tests.quality.fit_passage_weights`. Passages of a search are all about the question, so the
margin to the next sentence counts more."""
_MIN_PASSAGE_PROBABILITY = 0.25
"""Minimum probability of an answer from passages, by the tuned questions."""
_MAX_CANDIDATES = 10


@dataclass(frozen=True, slots=True)
class PassageMatch:
    """The match of a question and the whole passage of a search that a sentence is in.

    `rank` is that of the passage, from 0. `margin` is the share of the question's words in it, minus that of the best
    other passage. `missing_names` is the share of the question's names and numbers that are not in it. `lacks_number`
    is True if a number is not in it, such as a year.
    """

    rank: int
    margin: float
    missing_names: float
    lacks_number: bool


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence that may be the answer.

    `similarity` (-1 to 1) is the similarity of the question to the sentence. `in_context` is its similarity to the
    sentence with its `context`: the heading above it and the two parts before it. `margin` is `similarity` minus the
    highest similarity of another sentence. `passage` is None if the text is given.
    """

    part: StructuredPart
    previous_part: StructuredPart | None
    context: str
    similarity: float
    margin: float
    in_context: float
    passage: "PassageMatch | None" = None


def shortlist(question: Question, text_parts: Sequence[StructuredPart], similarities: Sequence[float]) -> list[int]:
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


def match_passages(question: Question, texts: Sequence[str]) -> list[PassageMatch]:
    """Return the matches of a question and the texts of passages, with their titles, in the order of the search."""
    words = [set(split_words(text)) for text in texts]
    first = question.text.split()[:1]
    names = [split_words(name) for name in _NAME.findall(question.text) if name not in first]
    wanted = [each[0] for each in names if each]
    shares = [
        sum(any(is_same_word(word, each) for each in own) for word in question.words) / max(len(question.words), 1)
        for own in words
    ]
    return [
        PassageMatch(
            rank,
            shares[rank] - max((share for other, share in enumerate(shares) if other != rank), default=0.0),
            sum(name not in own for name in wanted) / max(len(wanted), 1),
            any(name[0].isdigit() and name not in own for name in wanted),
        )
        for rank, own in enumerate(words)
    ]


def part_contexts(text_parts: Sequence[StructuredPart]) -> list[str]:
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
    rated = [
        (probability(answer_features(question, each, text_words, similarity), _weights(each)), each)
        for each in candidates
    ]
    rated = [(rate, each) for rate, each in rated if rate >= _min_probability(each)]
    return max(rated, key=lambda each: each[0])[1] if rated else None


def _weights(candidate: Candidate) -> Mapping[str, float]:
    return _WEIGHTS if candidate.passage is None else _PASSAGE_WEIGHTS


def _min_probability(candidate: Candidate) -> float:
    return _MIN_PROBABILITY if candidate.passage is None else _MIN_PASSAGE_PROBABILITY


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
            **({} if candidate.passage is None else _passage_features(candidate.passage)),
        }
        if level
        else {}
    )


def _passage_features(passage: PassageMatch) -> dict[str, float]:
    return {
        "is_first_passage": float(passage.rank == 0),
        "passage_rank": float(passage.rank),
        "passage_margin": passage.margin,
        "missing_names": passage.missing_names,
        "lacks_number": float(passage.lacks_number),
    }


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
