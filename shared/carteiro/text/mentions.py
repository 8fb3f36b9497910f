"""Mentions of numbers, amounts of money, times, names and more in English and Portuguese sentences, by their form."""

import re
from enum import Enum, auto

from carteiro.text.grounding import NUMBER_WORDS

CharacterSpan = tuple[int, int]


class MentionType(Enum):
    """Kind of thing that a span of text mentions."""

    NUMBER = auto()
    MONEY = auto()
    TIME = auto()
    DURATION = auto()
    MEASURE = auto()
    """A number with a unit, or a percentage."""
    FREQUENCY = auto()
    NAME = auto()
    PLACE = auto()
    REASON = auto()
    EMAIL = auto()
    PHONE = auto()
    COLOUR = auto()


_NUMBER_WORDS = "|".join(
    (
        *NUMBER_WORDS,
        *"hundreds thousands half quarter third twice once".split(),
        *"uma duzentos duzentas trezentos quinhentos dúzia metade meia meio".split(),
    )
)
_ORDINALS = (
    "first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|primeiro|primeira|segundo|terceiro|quarto|quinto"
)
_DIGITS = r"\d+(?:[.,:]\d+)*"
_NUMBER = rf"(?:{_DIGITS}|\b(?:{_NUMBER_WORDS})\b)(?:[ -](?:{_NUMBER_WORDS})\b)*"
_CURRENCY = (
    r"(?:euros?|dollars?|pounds?|pence|cents?|francs?|crowns?|kroner?|kronor|pesos?|yen|yuan|rupees?|reais|real|"
    r"centavos|contos|USD|EUR|GBP|CHF|BRL|€|\$|£|¥)(?!\w)"
)
_MONEY = (
    rf"(?:R\$|US\$|[€$£¥]|\b(?:USD|EUR|GBP|CHF))\s?{_DIGITS}(?:\s?(?:{_NUMBER_WORDS}|k|m|bn)\b)?"
    rf"|{_NUMBER}\s?(?:de )?{_CURRENCY}"
)
_MONTH = (
    "january|february|march|april|may|june|july|august|september|october|november|december|"
    "janeiro|fevereiro|março|abril|maio|junho|julho|agosto|setembro|outubro|novembro|dezembro"
)
_DAY = (
    "monday|tuesday|wednesday|thursday|friday|saturday|sunday|"
    "segunda-feira|terça-feira|quarta-feira|quinta-feira|sexta-feira|segunda|terça|quinta|sexta|sábado|domingo|sábados|"
    "domingos|mondays|tuesdays|wednesdays|thursdays|fridays|saturdays|sundays"
)
_UNIT_OF_TIME = (
    r"seconds?|minutes?|hours?|days?|weeks?|months?|years?|decades?|centur(?:y|ies)|nights?|quarters?|seasons?|turns?|"
    r"segundos?|minutos?|horas?|dias?|semanas?|mês|meses|anos?|noites?"
)
_TIME = (
    rf"\b\d{{1,2}}(?:st|nd|rd|th)?(?: of| de)? (?:{_MONTH})(?:,? (?:de )?\d{{4}})?"
    rf"|\b(?:{_MONTH})(?! (?:be|not|have|also|only|use|copy|print|withdraw|take|publish|propose))"
    r"(?: \d{1,2}(?:st|nd|rd|th)?\b)?(?:,? (?:de )?\d{4})?"
    rf"|\b(?:{_DAY})\b(?: (?:morning|afternoon|evening|night|noon))?(?: \d{{1,2}} (?:{_MONTH}))?"
    r"|\b(?:1[0-9]{3}|20\d\d)\b(?![.,]\d)|\b\d{4}-\d\d-\d\d\b|\b\d{1,2}[./]\d{1,2}[./]\d{2,4}\b"
    r"|\b\d{1,2}[:h]\d\d\b|\b\d{1,2} ?(?:h|am|pm|a\.m\.|p\.m\.|o'clock)(?!\w)"
    rf"|\b(?:at|às|until|till|by|before|after|from|até|das) (?:{_NUMBER_WORDS}|\d{{1,2}})\b"
    r"(?=\s*(?:[.,;:!?)]|$|(?:o'clock|in|on|every|each|and|to|until|am|pm|da|do|e|às|nas?|aos?|no)\b))"
    r"|\b(?:today|tonight|tomorrow|yesterday|noon|midnight|spring|summer|autumn|winter|easter|christmas|"
    r"hoje|amanhã|ontem|meio-dia|meia-noite|primavera|verão|outono|inverno|páscoa|natal)\b"
    r"|\b(?:next|last|this|every|each) (?:week|month|year|morning|evening|night|day|quarter)\b"
    rf"|\b(?:within|in|after|dentro de|em|após) {_NUMBER} (?:working )?(?:{_UNIT_OF_TIME})\b"
    r"|\bdias? \d{1,2}\b|\bthe \d{1,2}(?:st|nd|rd|th)\b"
)
_DURATION = (
    rf"\b(?:{_NUMBER})(?: (?:or|to|and|ou|a|e) (?:{_NUMBER}))?(?: an| a| full| whole| working)? ?-?"
    rf"(?:{_UNIT_OF_TIME})\b"
    rf"|\b(?:a|an|the whole|all) (?:{_UNIT_OF_TIME})\b|\bhalf an? (?:{_UNIT_OF_TIME})\b"
    r"|\b(?:until|since|até|desde)\b|\b\d+(?:\.\d+)? ?(?:ms|s|min|h)\b"
)
_MEASURE = rf"{_NUMBER}\s?(?:%|[^\W\d_]+)|\b(?:{_ORDINALS})\b"
_FREQUENCY = (
    r"\b(?:every|each|once|twice|daily|weekly|monthly|yearly|hourly|per|always|never|"
    r"cada|todos os|todas as|toda|todo|diariamente|semanalmente)\b"
    r"|\btimes a\b|\bvezes por\b"
)
_REASON = (
    r"\b(?:because|since|due to|owing to|so that|therefore|thus|that is why|thanks to|in order to|caused? by|"
    r"reason|cause|for want of|"
    r"porque|pois|devido|por causa|já que|uma vez que|para que|graças a|por isso|visto que)\b|, (?:as|so)\b"
)
_COLOUR = (
    r"\b(?:black|white|red|green|blue|yellow|orange|brown|grey|gray|purple|pink|violet|silver|gold|golden|beige|"
    r"preto|preta|branco|branca|vermelho|vermelha|verde|azul|amarelo|amarela|laranja|marrom|castanho|cinza|cinzento|"
    r"roxo|rosa|prata|dourado)\b"
)
_PLACE = (
    r"\b(?:in|at|from|to|near|into|on|outside|inside|beside|towards|next to|"
    r"em|no|na|nos|nas|do|da|de|para|ao lado d[ao]|à|ao)\s+(?:the |a |an |o |a )?"
    rf"(?!(?i:{_MONTH}|{_DAY}))[A-ZÀ-Þ]"
)
_PREPOSITION = (
    r"\b(?:in|at|from|to|near|into|on|outside|inside|between|behind|under|above|next to|"
    r"em|no|na|nos|nas|ao lado|perto|dentro|entre|atrás|num|numa)\b"
    rf"(?! (?:the |this |next |last )?(?:\d|{_MONTH}|{_DAY}|{_NUMBER_WORDS}|"
    r"week|month|year|time|autumn|spring|summer|winter))"
)
_EMAIL = r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+"
_PHONE = r"\+?\(?\d[\d\s()./-]{5,}\d"
_CAPITALISED = re.compile(
    r"[A-ZÀ-Þ][\w'’-]*(?: (?:[A-ZÀ-Þ][\w'’-]*|(?:de|da|do|dos|das|van|von|der|la|di|of|&) (?=[A-ZÀ-Þ])[\w'’-]+))*"
)
_NOT_A_NAME = re.compile(rf"(?i)(?:{_MONTH}|{_DAY}|i|i'm|i've|pdf|http|utc|it|ok)$")

_PATTERNS = {
    MentionType.NUMBER: re.compile(_NUMBER, re.IGNORECASE),
    MentionType.MONEY: re.compile(_MONEY, re.IGNORECASE),
    MentionType.TIME: re.compile(_TIME, re.IGNORECASE),
    MentionType.DURATION: re.compile(_DURATION, re.IGNORECASE),
    MentionType.MEASURE: re.compile(_MEASURE, re.IGNORECASE),
    MentionType.FREQUENCY: re.compile(_FREQUENCY, re.IGNORECASE),
    MentionType.REASON: re.compile(_REASON, re.IGNORECASE),
    MentionType.COLOUR: re.compile(_COLOUR, re.IGNORECASE),
    MentionType.EMAIL: re.compile(_EMAIL),
    MentionType.PHONE: re.compile(_PHONE),
    MentionType.PLACE: re.compile(_PLACE),
}
_PLACE_PREPOSITION = re.compile(_PREPOSITION, re.IGNORECASE)
_PRICE_WORD = re.compile(r"\b(?:half|free|nothing|metade|gratuit[ao]|grátis|livre)\b", re.IGNORECASE)


def find_mentions(kind: MentionType, sentence: str) -> list[CharacterSpan]:
    """Return the spans of all mentions of a kind in a sentence."""
    if kind is MentionType.NAME:
        return _find_names(sentence)
    return [match.span() for match in _PATTERNS[kind].finditer(sentence)]


def has_place_preposition(sentence: str) -> bool:
    """Return True if a sentence has a preposition of place."""
    return _PLACE_PREPOSITION.search(sentence) is not None


def has_price_word(sentence: str) -> bool:
    """Return True if a sentence has a price without a number, such as half, free or nothing."""
    return _PRICE_WORD.search(sentence) is not None


def _find_names(sentence: str) -> list[CharacterSpan]:
    found: list[CharacterSpan] = []
    if sentence.upper() == sentence:  # in a sentence of capitals, they do not mark names
        return found
    for match in _CAPITALISED.finditer(sentence):
        start, end = match.span()
        words = match[0].split()
        before = sentence[:start].rstrip(" \"'“‘(*`-")
        begins = not before or before.endswith((":", ".", "!", "?"))
        # The first word of a sentence is always capitalised, so a common first word is not part of a name.
        if begins and len(words) == 1 and _COMMON_FIRST_WORD.match(words[0]):
            continue
        if begins and len(words) > 1 and _COMMON_FIRST_WORD.match(words[0]):
            start += len(words[0]) + 1
            words = words[1:]
        if all(_NOT_A_NAME.match(word) for word in words):
            continue
        found.append((start, end))
    return found


_COMMON_FIRST_WORD = re.compile(
    r"(?i)(?:the|a|an|this|that|these|those|it|its|he|she|we|you|they|i|our|your|my|his|her|their|in|on|at|to|from|for|of|"
    r"by|with|and|but|or|so|as|if|when|while|since|because|after|before|until|during|from|around|about|up|every|each|all|"
    r"some|most|many|several|no|not|please|thank|thanks|there|here|what|who|how|why|where|both|two|three|four|five|six|"
    r"seven|eight|nine|ten|eleven|twelve|once|then|now|last|next|today|over|under|between|against|without|only|also|"
    r"o|a|os|as|um|uma|no|na|nos|nas|em|de|do|da|para|por|com|e|mas|se|quando|depois|antes|durante|cada|quem|foram|foi|"
    r"não|ao|aos|à|às|este|esta|esse|essa|todos|todas|desde|até|há)$"
)
