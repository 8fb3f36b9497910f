"""The fit between a sentence and the answer type of a question."""

import re
from collections.abc import Callable, Mapping, Sequence

from carteiro.text.mentions import CharacterSpan, MentionType, find_mentions, has_place_preposition, has_price_word
from carteiro.text.questions import AnswerType, Question, split_words

WordSimilarity = Callable[[str, str], float]
"""Function that returns the similarity of two words, -1 to 1."""

_MENTIONS_BY_ANSWER_TYPE: Mapping[AnswerType, tuple[MentionType, ...]] = {
    AnswerType.PERSON: (MentionType.NAME,),
    AnswerType.NAME: (MentionType.NAME,),
    AnswerType.PLACE: (MentionType.PLACE,),
    AnswerType.TIME: (MentionType.TIME,),
    AnswerType.DURATION: (MentionType.DURATION, MentionType.MEASURE),
    AnswerType.COUNT: (MentionType.NUMBER,),
    AnswerType.MONEY: (MentionType.MONEY,),
    AnswerType.MEASURE: (MentionType.MEASURE, MentionType.NUMBER),
    AnswerType.FREQUENCY: (MentionType.FREQUENCY, MentionType.DURATION),
    AnswerType.REASON: (MentionType.REASON,),
    AnswerType.THING: (MentionType.NAME, MentionType.NUMBER),
    AnswerType.EMAIL: (MentionType.EMAIL,),
    AnswerType.PHONE: (MentionType.PHONE,),
    AnswerType.COLOUR: (MentionType.COLOUR,),
}
_STRICT_TYPES = frozenset(
    {
        AnswerType.TIME,
        AnswerType.COUNT,
        AnswerType.MONEY,
        AnswerType.MEASURE,
        AnswerType.EMAIL,
        AnswerType.PHONE,
        AnswerType.COLOUR,
        AnswerType.DURATION,
        AnswerType.NAME,
    }
)
"""Answer types with a fixed form: a sentence without a mention of that form cannot be the answer."""
_MIN_COUNT_SCORE, _MIN_UNSURE_COUNT_SCORE = 0.5, 0.2
_NARROW_TYPES = _STRICT_TYPES | {AnswerType.PERSON}
"""Answer types whose mentions are complete, such as "98 metres"; a mention of a place is only its beginning."""
_MAX_WORDS_BEFORE_NAME, _MAX_WORDS_AFTER_NAME = 2, 3
"""Maximum distance in words between a name and its role: "the owner is Ana Reis", "Ana Reis, who is the owner"."""
_MIN_HEAD_SIMILARITY = 0.7
_LENGTH_UNITS = (
    r"metres?|meters?|m|km|kilometres?|cm|mm|miles?|feet|foot|inch(?:es)?|yards?|hours?|minutes?|centimetres?|"
    r"millimetres?|floors?|storeys?|metros?|quil[ôó]metros?"
)
_UNIT_PATTERNS = tuple(
    (re.compile(rf"(?i)\b(?:how|qual|quão|que)\b.*?\b(?:{words})\b"), re.compile(rf"(?i)\b(?:{unit})\b"))
    for words, unit in (
        ("old|idade|velh[oa]", r"years? old|months? old|anos|meses|aged?|since|built|founded|born|1[89]\d\d|20\d\d"),
        (
            "far|tall|wide|high|deep|altura|largura|distância|comprimento",
            rf"[\w.,]+ (?:{_LENGTH_UNITS})",
        ),
        ("heavy|peso", r"[\w.,]+ (?:kg|kilos?|kilograms?|grams?|g|tons?|tonnes?|pounds?|quilos?|toneladas?)"),
        ("fast|quickly", r"[\w.,]+ ?(?:km/h|mph|seconds?|minutes?|hours?|days?|ms|times|[MGk]bit/s|knots?)|per"),
    )
)
_OF_PEOPLE = (["of", "you"], ["of", "us"], ["of", "them"])
_MIN_SIMILARITY, _FULL_SIMILARITY = 0.35, 0.75
"""Words below the minimum similarity count as unrelated; words above the full similarity count as nearly equal."""


def answer_type_score(question: Question, sentence: str, similarity: WordSimilarity) -> int:  # noqa: PLR0911  # a table of cases
    """Return 2 if a sentence has a mention of the answer type that the question lacks.

    Return 0 if the sentence cannot be the answer, and 1 if it is uncertain.
    """
    if question.answer_type not in _MENTIONS_BY_ANSWER_TYPE:
        return 1
    spans = matching_spans(question, sentence)
    match question.answer_type:
        case AnswerType.COUNT:
            counted = max((_count_score(question, sentence, span, similarity) for span in spans), default=0.0)
            return 2 if counted >= _MIN_COUNT_SCORE else int(counted >= _MIN_UNSURE_COUNT_SCORE)
        case AnswerType.PERSON | AnswerType.NAME if question.heads:
            # "Who is the owner?" is answered by "the owner, Ana Reis", not by another name in the sentence.
            return 2 if any(_is_next_to(question.heads, sentence, span, similarity) for span in spans) else 0
        case AnswerType.MEASURE if unit := _unit_pattern(question.text):
            return 2 if unit.search(sentence) else 0
        case AnswerType.MONEY if not spans:
            return int(has_price_word(sentence) or bool(find_mentions(MentionType.NUMBER, sentence)))
        case AnswerType.PLACE if not spans:
            return int(has_place_preposition(sentence))
        case _:
            return 2 if spans else int(question.answer_type not in _STRICT_TYPES)


def answer_span(question: Question, sentence: str, similarity: WordSimilarity) -> tuple[int, int]:
    """Return the span of the only mention of the answer type in a sentence, or else of the whole sentence."""
    if question.answer_type not in _NARROW_TYPES:
        return 0, len(sentence)
    spans = matching_spans(question, sentence)
    if question.answer_type is AnswerType.COUNT:
        spans = [span for span in spans if _count_score(question, sentence, span, similarity) >= _MIN_COUNT_SCORE]
    start, end = min((start for start, _ in spans), default=0), max((end for _, end in spans), default=0)
    longest = max((end - start for start, end in spans), default=0)
    return (start, end) if spans and end - start == longest else (0, len(sentence))


def matching_spans(question: Question, sentence: str) -> list[CharacterSpan]:
    """Return the spans of mentions of the answer type that the question does not contain itself."""
    question_words = set() if question.answer_type is AnswerType.REASON else set(split_words(question.text))
    spans = [
        span
        for kind in _MENTIONS_BY_ANSWER_TYPE.get(question.answer_type, ())
        for span in find_mentions(kind, sentence)
    ]
    return [(start, end) for start, end in spans if not question_words.issuperset(split_words(sentence[start:end]))]


def is_same_word(first: str, second: str) -> bool:
    """Return True if two words are probably forms of one word, by their first letters."""
    if first == second:
        return True
    if first[0].isdigit() or second[0].isdigit():
        return False
    shorter, longer = sorted((first, second), key=len)
    if len(shorter) < 4:
        return len(shorter) > 2 and longer in (f"{shorter}s", f"{shorter}es")
    shared = next((index for index, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), len(shorter))
    return shared >= 4 and shared >= len(longer) - 3


def scale_similarity(similarity: float) -> float:
    """Return the degree to which a word of this similarity can replace another word, 0 to 0.9."""
    return min(max((similarity - _MIN_SIMILARITY) / (_FULL_SIMILARITY - _MIN_SIMILARITY), 0.0), 0.9)


def _count_score(question: Question, sentence: str, span: CharacterSpan, similarity: WordSimilarity) -> float:
    """Return the score, 0 to 1, that the number at `span` counts the thing asked for."""
    after = split_words(sentence[span[1] : span[1] + 60])[:4]
    before = split_words(sentence[max(span[0] - 40, 0) : span[0]])[-1:]
    heads = question.heads or question.words[:1]
    if any(is_same_word(head, each) for head in heads for each in after):
        return 1.0
    values = [scale_similarity(similarity(head, each)) for head in heads for each in after]
    if any(is_same_word(head, each) for head in heads for each in before):
        values.append(0.6)
    if after[:2] in _OF_PEOPLE:
        values.append(_MIN_COUNT_SCORE)
    return max(values, default=0.0)


def _is_next_to(heads: Sequence[str], sentence: str, span: CharacterSpan, similarity: WordSimilarity) -> bool:
    """Return True if one of the heads is within a few words of the span."""
    around = split_words(sentence[: span[0]])[-_MAX_WORDS_BEFORE_NAME:]
    if not sentence[span[1] :].startswith(":"):
        around += split_words(sentence[span[1] :])[:_MAX_WORDS_AFTER_NAME]
    return any(
        each in (head, f"{head}s") or similarity(head, each) >= _MIN_HEAD_SIMILARITY
        for head in heads
        for each in around
    )


def _unit_pattern(question: str) -> re.Pattern[str] | None:
    """Return the pattern of the unit that the question asks for; None if it names no unit."""
    return next((unit for words, unit in _UNIT_PATTERNS if words.search(question)), None)
