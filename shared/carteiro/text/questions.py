"""Analysis of questions in English and Portuguese: the type of the answer and the significant words."""

import re
from dataclasses import dataclass
from enum import Enum, auto
from itertools import takewhile

from carteiro.text.grounding import normalise


class AnswerType(Enum):
    """Type of the answer that a question asks for."""

    PERSON = auto()
    PLACE = auto()
    TIME = auto()
    DURATION = auto()
    COUNT = auto()
    MONEY = auto()
    MEASURE = auto()
    FREQUENCY = auto()
    REASON = auto()
    NAME = auto()
    EMAIL = auto()
    PHONE = auto()
    COLOUR = auto()
    YES_NO = auto()
    THING = auto()


@dataclass(frozen=True, slots=True)
class Question:
    """A question with the type of its answer, its significant words, and the words that name the thing asked for.

    "How many red bikes are left?" asks for a `COUNT`. Its words are "red", "bikes", "left"; its heads the first two.
    """

    text: str
    answer_type: AnswerType
    words: tuple[str, ...]
    heads: tuple[str, ...] = ()


_MONEY = (
    r"\b(?:costs?|prices?|pays?|paid|fees?|salary|charges?|charged|money|rent|spen[dt]|budget|earn|donated?|raised?|worth|"
    r"give|gave|income|deposit|custa|custou|custam|preço|valor|pagar|paga|pagou|mensalidade|taxa|salário|aluguel|renda)\b"
)
_VERB = (
    r"is|are|was|were|do|does|did|can|could|may|might|must|should|will|would|has|have|had|am|"
    r"é|está|são|foi|há|tem|pode|podem|posso"
)
_OPTIONAL_PREPOSITION = (
    r"(?:(?:for|after|by|since|within|until|on|at|from|to|in|with|de|em|por|para|desde|até|há|durante|a|com) )?"
)


def _starts_with(words: str) -> str:
    """Return the pattern of a question that begins with one of the words, after an optional preposition."""
    return rf"^{_OPTIONAL_PREPOSITION}(?:{words})\b"


_RULES: tuple[tuple[str, AnswerType], ...] = (
    (r"\be-?mails? address\b|\bqual (?:é )?o e-?mail", AnswerType.EMAIL),
    (r"\bwhat(?: is|'s)\b.*\be-?mail\b|where should .* be sent", AnswerType.EMAIL),
    (r"\b(?:tele)?phone number|\btelefone\b|\bwhat(?: is|'s)\b.*\bphone\b|\bcall .* number\b", AnswerType.PHONE),
    (r"\b(?:what|which) colou?r\b|\b(?:de )?que cor\b|\bqual (?:é )?a cor\b", AnswerType.COLOUR),
    (r"^(?:why|por ?qu[eê]|porqu[eê])\b|\b(?:reason|motivo|razão)\b", AnswerType.REASON),
    (r"^what (?:is|was|were) the causes?\b|^what caused\b", AnswerType.REASON),
    (
        r"^(?:how|with)\b.*\bmany\b|^(?:in |em |de |com )?quant[ao]s\b|\bnumber of (?!the\b)|^within how many",
        AnswerType.COUNT,
    ),
    (_starts_with("how long|quanto tempo"), AnswerType.DURATION),
    (r"^how often\b|^com que frequência\b", AnswerType.FREQUENCY),
    (rf"{_starts_with('how much|quanto')}.*{_MONEY}", AnswerType.MONEY),
    (r"\b(?:what|which|qual) .*\b(?:price|cost|fee|salary|preço|custo|salário|mensalidade)\b", AnswerType.MONEY),
    (
        _starts_with("how (?:much|old|far|tall|wide|high|deep|big|large|fast|heavy|quickly|late)|quant[oa]|quão"),
        AnswerType.MEASURE,
    ),
    (_starts_with("when|quando|what (?:time|date|day|year|month)|which (?:day|date|year|month)"), AnswerType.TIME),
    (_starts_with("que (?:dia|data|ano|mês|horas?)|horas?|dia|ano|mês"), AnswerType.TIME),
    (_starts_with("where|onde|aonde"), AnswerType.PLACE),
    (_starts_with("(?:what|which) (?:city|town|country|place|village|street|address|room)"), AnswerType.PLACE),
    (r"\b(?:que|qual) (?:cidade|país|lugar|rua|sala|endereço)\b|\baddress\b|\bendereço\b", AnswerType.PLACE),
    (_starts_with("who|whom|whose|quem"), AnswerType.PERSON),
    (r"\bname of\b|\bnome d[aoe]\b|\bcalled\?|\bse chama", AnswerType.NAME),
    (rf"^(?:{_VERB})\b", AnswerType.YES_NO),
)
_COMPILED = tuple((re.compile(pattern, re.IGNORECASE), answer_type) for pattern, answer_type in _RULES)
_HEAD = re.compile(
    r"(?i)\b(?:how many|within how many|quant[ao]s|which|what|que|qual|quais|how much)\s+"
    rf"((?:(?!\b(?:{_VERB}|of|foram|serão|será|estão|de|da|do|em)\b)[\w'-]+\s*){{1,4}})"
)
_NAMED_THING = re.compile(
    r"(?i)\b(?:what|which|who|how much|qual|quais|quem|quanto)(?:'s| is| are| was| were| é| são| foi| era) "
    r"(?:the |a |an |o |a |os |as )?(?:name of |nome d[aoe]s? )?(?:the |a |an |o |a )?([\w'-]+(?: [\w'-]+){0,2})"
)
_STOP_WORDS = frozenset(
    normalise(
        "what when where which who whom whose why how many much long often old far is are was were be been being "
        "do does did done can could may might must shall should will would has have had having the a an this that "
        "these those it its he she they them him her his their we us our you your i me my of in on at to from for "
        "by with and or but as if than then there here not no into about over up out so such any some also still "
        "until after before during since within name named called time kind type sort get gets got take takes took "
        "taken use used make made s t qual quais que quem onde aonde quando quanto quanta quantos quantas como por "
        "porque o os um uma uns umas de da dos das em na nos nas num numa para pelo pela com sem e ou mas se ao "
        "aos à às é são foi foram ser sera será serão está estão estava tem têm tinha há houve ele ela eles elas "
        "seu sua seus suas este esta esse essa isso nome chama fica ficam tipo pode podem deve devem vai vão"
    ).split()
)


def parse_question(text: str) -> Question:
    """Return the analysis of a question."""
    stripped = text.strip().strip("¿ ")
    answer_type = next(
        (answer_type for pattern, answer_type in _COMPILED if pattern.search(stripped)), AnswerType.THING
    )
    words = tuple(dict.fromkeys(word for word in split_words(stripped) if word not in _STOP_WORDS))
    return Question(text, answer_type, words, _find_heads(stripped, answer_type, words))


def split_words(text: str) -> list[str]:
    """Return the words of a text in lower case and without accents; numbers keep their points and commas."""
    return re.findall(r"\d+(?:[.,:]\d+)*|\w+", " ".join(_normalise_except_numbers(text)))


def _normalise_except_numbers(text: str) -> list[str]:
    return [
        word if word[:1].isdigit() else normalise(word) for word in re.findall(r"\d+(?:[.,:]\d+)*\w*|[^\W\d]\w*", text)
    ]


def _find_heads(text: str, answer_type: AnswerType, words: tuple[str, ...]) -> tuple[str, ...]:
    portuguese = re.match(r"(?i)\W*(?:\w{1,4} )?(?:qua|que|quem|o que)", text) is not None
    if answer_type in _NAMED_TYPES and (match := _NAMED_THING.search(text)):
        # In English, the noun is the last word ("the new boat", "the error code"). In Portuguese, it is the first.
        phrase = _leading_phrase(match[1])
        return tuple(word for word in (phrase[:1] if portuguese else phrase[-1:]) if word in words)
    match = _HEAD.search(text)
    # In English, the noun may be the second word ("audio books").
    max_words = 2 if answer_type is AnswerType.COUNT and not portuguese else 1
    return tuple(word for word in split_words(match[1])[:max_words] if word in words) if match else ()


def _leading_phrase(text: str) -> list[str]:
    """Return the words before the first stop word: "driver of the bus" gives "driver"."""
    return list(takewhile(lambda word: word not in _STOP_WORDS or word == "s", split_words(text)))


_NAMED_TYPES = frozenset(
    {
        AnswerType.PERSON,
        AnswerType.NAME,
        AnswerType.THING,
        AnswerType.PHONE,
        AnswerType.EMAIL,
        AnswerType.MONEY,
        AnswerType.MEASURE,
    }
)
