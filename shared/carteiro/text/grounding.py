"""Grounding: checks that a text is supported by a source, so that a small model writes only what it read.

Words are compared by their first five letters, without accents, so that forms of one word match. Short words and
question words are ignored. Number words count as numbers. The rules are heuristics for European languages;
`tests/quality` measures them.
"""

import math
import re
import unicodedata
from collections.abc import Iterator

_UNSPACED = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
"""Scripts without spaces between words. Pairs of neighbouring characters take the place of words."""
_NUMBERS_BELOW_100 = (*range(20), *range(20, 100, 10))
_ENGLISH = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety"
).split()
_PORTUGUESE = (
    "zero um dois três quatro cinco seis sete oito nove dez onze doze treze catorze quinze dezesseis dezessete dezoito "
    "dezenove vinte trinta quarenta cinquenta sessenta setenta oitenta noventa"
).split()
_DIGITS = dict(zip(_ENGLISH, map(str, _NUMBERS_BELOW_100), strict=True))
NUMBER_WORDS = (
    dict(zip(_ENGLISH, _NUMBERS_BELOW_100, strict=True))
    | dict(zip(_PORTUGUESE, _NUMBERS_BELOW_100, strict=True))
    | {"duas": 2, "quatorze": 14, "dezasseis": 16, "dezassete": 17, "dezanove": 19}
    | {"hundred": 100, "cem": 100, "cento": 100, "thousand": 1000, "mil": 1000, "million": 10**6, "milhão": 10**6}
    | {"milhões": 10**6, "billion": 10**9, "dozen": 12}
)
"""Number words and their values."""
_QUESTION_WORDS = frozenset(
    (
        "what when where which whom whose does will would have many much that this from with long often "
        "qual quem onde quando quantos quantas quanto como porque cual quien donde cuando cuantos cuanto fica esta"
    ).split()
)


def content_words(text: str) -> frozenset[str]:
    """Return the significant words of a text, cut to five letters."""
    simple = normalise(text)
    unspaced = (run[at : at + 2] for run in _UNSPACED.findall(simple) for at in range(len(run) - 1))
    words = [_DIGITS.get(word, word) for word in _UNSPACED.sub(" ", simple).split()]
    significant = {
        word if word.isdigit() else word[:5]
        for word in words
        if (len(word) > 3 or word.isdigit()) and word not in _QUESTION_WORDS
    }
    # If all words are short ("Who is Tom?"), they are all that can be compared.
    return frozenset({*significant, *unspaced} or words)


def normalise(text: str) -> str:
    """Return the words of a text in lower case, without accents and punctuation, separated by spaces."""
    parts = unicodedata.normalize("NFKD", text.lower())
    return " ".join(re.findall(r"\w+", "".join(each for each in parts if not unicodedata.combining(each))))


def overlap(words: frozenset[str], source: frozenset[str]) -> float:
    """Return the share of the words that are in the source, 0 to 1; 0 if there are no words."""
    return len(words & source) / len(words) if words else 0.0


def numbers_supported(text: str, source: str) -> bool:
    """Return True if every number of the text is in the source. 12 equals twelve, and 1,150 equals 1150."""
    return find_numbers(text) <= find_numbers(source)


def names_supported(text: str, source: str) -> bool:
    """Return True if every name of the text is in the source. A name is a word that begins with a capital letter.

    The first word of a sentence may be missing in the source if it is a usual sentence start ("The", "However").
    """
    known = set(normalise(source).split())
    for sentence in _SENTENCE_END.split(text.strip()):
        for match in _CAPITALISED.finditer(sentence):
            word = normalise(match[0])
            begins = not re.search(r"\w", sentence[: match.start()])
            if not known.issuperset(word.split()) and not (begins and word in _SENTENCE_STARTERS):
                return False
    return True


def find_numbers(text: str) -> frozenset[str]:
    """Return the numbers of a text, in digits."""
    lower = text.lower()
    found = {_normalise_numeral(match[0]) for match in _NUMERAL.finditer(lower)}
    for match in _NUMBER_PHRASE.finditer(lower):
        words = re.findall(r"[^\W\d_]+", match[0])
        # "One" by itself is rarely a number, and "one of them" needs no support in the source.
        if words not in (["one"], ["um"], ["uma"]):
            found.add(str(_number_value(words)))
    return frozenset(found)


def find_numerals(text: str) -> list[tuple[float, int, int]]:
    """Return the numbers in digits of a text that a float can hold: value, start and end.

    Time is linear in the text's length: one regular expression for all of a number takes hours for a million digits.
    """
    found = ((float(_normalise_numeral(text[start:end])), start, end) for start, end in _simple_numerals(text))
    return [each for each in found if math.isfinite(each[0])]


def _simple_numerals(text: str) -> Iterator[tuple[int, int]]:
    """Yield the start and the end of each number: of groups of three digits, also with decimals behind another
    separator; or with one separator at most.
    """
    for run in _ASCII_NUMERAL.finditer(text):
        if _GROUPED_DECIMAL.fullmatch(run[0]):
            yield run.span()
            continue
        groups = [(run.start() + each.start(), run.start() + each.end()) for each in _ASCII_DIGITS.finditer(run[0])]
        last_short = max((at for at, (start, end) in enumerate(groups) if end - start != 3), default=-1)
        at = 0
        while at < len(groups):
            start, end = groups[at]
            is_grouped = at >= last_short and end - start <= 3
            following = len(groups) if is_grouped else min(at + 2, len(groups))
            yield start, groups[following - 1][1]
            at = following


def _normalise_numeral(numeral: str) -> str:
    if re.fullmatch(r"\d{1,3}(?:[.,]\d{3})+", numeral):
        return re.sub(r"[.,]", "", numeral)
    if _GROUPED_DECIMAL.fullmatch(numeral):
        whole, _, decimals = numeral.replace(",", ".").rpartition(".")
        return f"{whole.replace('.', '')}.{decimals}"
    return numeral.replace(",", ".")


def _number_value(words: list[str]) -> int:
    total = part = 0
    for word in words:
        value = NUMBER_WORDS.get(word, 0)
        if value == 100:
            part = max(part, 1) * 100
        elif value > 100:
            total, part = total + max(part, 1) * value, 0
        else:
            part += value
    return total + part


_CAPITALISED = re.compile(r"\b[A-ZÀ-Þ][\w]*")
_SENTENCE_END = re.compile(r"(?<=[.!?:])\s+|\n+")
_NUMERAL = re.compile(r"\d+(?:[.,]\d+)*")
_ASCII_NUMERAL = re.compile(r"[0-9]+(?:[.,][0-9]+)*")
_GROUPED_DECIMAL = re.compile(r"\d{1,3}(?:(?:,\d{3})+\.|(?:\.\d{3})+,)\d+", re.ASCII)
"""A number such as 1,234.50 or 1.234,50."""
_ASCII_DIGITS = re.compile(r"[0-9]+")
_SENTENCE_STARTERS = frozenset(
    (
        "the a an this that these those there it its he she they we you i in on at to from for of by with and but "
        "or so as if when while since because after before until during about all some most many several no not "
        "yes however also therefore thus then now here according overall both each every his her their our your my "
        "one two three o os um uma na nos nas em de do da dos das para por pelo pela com e mas ou se quando depois "
        "antes durante porque nao sim este esta esse essa isso isto ele ela eles elas ha segundo tambem"
    ).split()
)
_NUMBER_WORD = rf"(?:{'|'.join(NUMBER_WORDS)})\b"
_NUMBER_PHRASE = re.compile(rf"\b{_NUMBER_WORD}(?:(?:[ -]| e | and ){_NUMBER_WORD})*")
