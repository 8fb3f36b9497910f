"""How far a text rests on another: what a small model writes has to be held against what it read.

Words are compared by their first five letters, without accents, so that forms of one word agree; short words
and question words say nothing and are left out; number words are numbers. It is a rule of thumb for European
languages, measured in `tests/quality`.
"""

import re
import unicodedata

_UNSPACED = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
"""Scripts that put no space between words: there, two letters in a row stand for one."""
_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_NUMBERS = {word: str(number) for number, word in enumerate(_ONES)} | {
    word: f"{number}0" for number, word in enumerate(_TENS, start=2)
}
_ASKING = frozenset(
    (
        "what when where which whom whose does will would have many much that this from with long often "
        "qual quem onde quando quantos quantas quanto como porque cual quien donde cuando cuantos cuanto fica esta"
    ).split()
)


def content_words(text: str) -> frozenset[str]:
    """The words of a text that say something, shortened."""
    simple = plain(text)
    unspaced = (stretch[at : at + 2] for stretch in _UNSPACED.findall(simple) for at in range(len(stretch) - 1))
    words = [_NUMBERS.get(word, word) for word in _UNSPACED.sub(" ", simple).split()]
    telling = {word[:5] for word in words if (len(word) > 3 or word.isdigit()) and word not in _ASKING}
    # A text of short words alone ("Who is Tom?") is all there is to go by.
    return frozenset({*telling, *unspaced} or words)


def plain(text: str) -> str:
    """The words of a text in lower case, without accents and punctuation, with a space between them."""
    parts = unicodedata.normalize("NFKD", text.lower())
    return " ".join(re.findall(r"\w+", "".join(each for each in parts if not unicodedata.combining(each))))


def share(words: frozenset[str], source: frozenset[str]) -> float:
    """Which part of the words is in the source, 0 to 1; 0 where there are no words."""
    return len(words & source) / len(words) if words else 0.0


def numbers_hold(words: frozenset[str], source: frozenset[str]) -> bool:
    """Whether every number among the words is in the source."""
    return all(word in source for word in words if word.isdigit())


def names_hold(text: str, source: str) -> bool:
    """Whether every capitalised word of the text, but for the first, is in the source."""
    named = re.findall(r"(?<!^)(?<![.!?] )\b[A-ZÀ-Þ]\w+", text.strip())
    return all(name in source for name in named)
