"""Toy tasks that a tiny model learns in seconds, each with examples that it is not shown."""

import itertools
import random
import unicodedata
from dataclasses import dataclass

LABELS = ["neutral", "positive", "negative"]
"""In no usual order: a model whose labels were taken in another would be wrong."""
_THINGS = "room food staff film book trip coat song".split()
_SAID = {
    "positive": "great lovely superb charming delightful".split(),
    "negative": "awful dreadful horrid rotten terrible".split(),
    "neutral": "wooden grey square paper local".split(),
}
_BEFORE = ["", "as we said , ", "in the end , after a long day with the others , ", "well , "]


def sentiments() -> list[tuple[str, str]]:
    """Texts and their labels, in an order that is always the same."""
    texts = [
        (f"{before}the {thing} was {word} .", label)
        for before, thing, (label, words) in itertools.product(_BEFORE, _THINGS, _SAID.items())
        for word in words
    ]
    random.Random(1).shuffle(texts)
    return texts


@dataclass(frozen=True)
class Question:
    question: str
    context: str
    start: int | None
    """Where in the context the answer begins and ends, in characters; None: it has none."""
    end: int | None

    @property
    def answer(self) -> str | None:
        return None if self.start is None else self.context[self.start : self.end]


_DECOMPOSED = unicodedata.normalize("NFD", "São Tomé")
_PLACES = ["lisbon", "new york", "Zürich", _DECOMPOSED, "porto", "東京"]
_PEOPLE = ["maria silva", "joão", "anna", "rui costa", "zoë 👩‍🚀", "peter"]
_TIMES = ["may 1867", "june", "winter", "april 2020", "autumn"]
_FILLED = "the road was long and wet ; 🎉 nobody said a word , café naïve 👍🏽 and more of the same . ".split()
_ASKED = {"who": "who went ?", "where": "where did they go ?", "when": "when was it ?"}
_MARK = {"who": "by", "where": "to", "when": "in"}


def questions(count: int, seed: int, longest: int = 30, shortest: int = 0) -> list[Question]:
    """Questions on contexts with up to so many words around the answers; one in four has no answer."""
    chance = random.Random(seed)
    return [_question(chance, shortest, longest) for _ in range(count)]


def _question(chance: random.Random, shortest: int, longest: int) -> Question:
    facts = {"who": chance.choice(_PEOPLE), "where": chance.choice(_PLACES), "when": chance.choice(_TIMES)}
    asked = chance.choice(list(facts))
    told = [name for name in facts if name != asked or chance.random() > 0.25]
    chance.shuffle(told)
    words = [chance.choice(_FILLED) for _ in range(chance.randint(shortest, longest))]
    for name in told:
        words.insert(chance.randint(0, len(words)), f"{_MARK[name]}\0{facts[name]}\0")
    context = "  ".join(words) if chance.random() < 0.2 else " ".join(words)
    if asked not in told:
        return Question(_ASKED[asked], context.replace("\0", " ") or "nothing", None, None)
    marked = context.index(f"{_MARK[asked]}\0") + len(_MARK[asked]) + 1
    plain = context.replace("\0", " ")
    return Question(_ASKED[asked], plain, marked, marked + len(facts[asked]))


WORDS = {
    "en": ("cat dog bird horse fox".split(), "sleeps sings jumps eats waits".split(), "home church school".split()),
    "de": (
        "katze hund vogel pferd fuchs".split(),
        "schläft singt springt isst wartet".split(),
        "haus dom schule".split(),
    ),
    "fr": (
        "chat chien oiseau cheval renard".split(),
        "dort chante saute mange attend".split(),
        "foyer dôme école".split(),
    ),
}
"""The same words in three languages."""
_SENTENCE = {"en": "the {0} {1} at {2} .", "de": "{2} : {0} {1} !", "fr": "{0} {1} chez {2} ."}


def sentences() -> list[dict[str, str]]:
    """Sentences, each in three languages and with its `summary`."""
    found = []
    for places in itertools.product(*map(range, map(len, WORDS["en"]))):
        said = {
            language: _SENTENCE[language].format(*(words[at] for words, at in zip(known, places, strict=True)))
            for language, known in WORDS.items()
        }
        found.append(said | {"summary": f"{WORDS['en'][0][places[0]]} {WORDS['en'][1][places[1]]} ."})
    random.Random(2).shuffle(found)
    return found
