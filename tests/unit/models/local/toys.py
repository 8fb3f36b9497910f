"""Toy tasks that a tiny model learns in seconds, with held-out examples for each task."""

import itertools
import random
import unicodedata
from dataclasses import dataclass

LABELS = ["neutral", "positive", "negative"]
"""Labels in an unusual order, so that a model with labels in the wrong order fails."""
_NOUNS = "room food staff film book trip coat song".split()
_ADJECTIVES = {
    "positive": "great lovely superb charming delightful".split(),
    "negative": "awful dreadful horrid rotten terrible".split(),
    "neutral": "wooden grey square paper local".split(),
}
_OPENINGS = ["", "as we said , ", "in the end , after a long day with the others , ", "well , "]


def sentiments() -> list[tuple[str, str]]:
    """Return texts and their labels, always in the same order."""
    texts = [
        (f"{before}the {thing} was {word} .", label)
        for before, thing, (label, words) in itertools.product(_OPENINGS, _NOUNS, _ADJECTIVES.items())
        for word in words
    ]
    random.Random(1).shuffle(texts)
    return texts


@dataclass(frozen=True)
class ToyQuestion:
    question: str
    context: str
    start: int | None
    """Start of the answer in the context, in characters; `end` is its end. Both are None if there is no answer."""
    end: int | None

    @property
    def answer(self) -> str | None:
        return None if self.start is None else self.context[self.start : self.end]


_DECOMPOSED = unicodedata.normalize("NFD", "São Tomé")
_PLACES = ["lisbon", "new york", "Zürich", _DECOMPOSED, "porto", "東京"]
_PEOPLE = ["maria silva", "joão", "anna", "rui costa", "zoë 👩‍🚀", "peter"]
_TIMES = ["may 1867", "june", "winter", "april 2020", "autumn"]
_FILLER = "the road was long and wet ; 🎉 nobody said a word , café naïve 👍🏽 and more of the same . ".split()
_QUESTION_TEXTS = {"who": "who went ?", "where": "where did they go ?", "when": "when was it ?"}
_PREPOSITIONS = {"who": "by", "where": "to", "when": "in"}


def questions(count: int, seed: int, max_words: int = 30, min_words: int = 0) -> list[ToyQuestion]:
    """Return questions on contexts with up to `max_words` filler words; about a quarter have no answer."""
    chance = random.Random(seed)
    return [_make_question(chance, min_words, max_words) for _ in range(count)]


def _make_question(chance: random.Random, min_words: int, max_words: int) -> ToyQuestion:
    facts = {"who": chance.choice(_PEOPLE), "where": chance.choice(_PLACES), "when": chance.choice(_TIMES)}
    asked = chance.choice(list(facts))
    included = [name for name in facts if name != asked or chance.random() > 0.25]
    chance.shuffle(included)
    words = [chance.choice(_FILLER) for _ in range(chance.randint(min_words, max_words))]
    for name in included:
        words.insert(chance.randint(0, len(words)), f"{_PREPOSITIONS[name]}\0{facts[name]}\0")
    context = "  ".join(words) if chance.random() < 0.2 else " ".join(words)
    if asked not in included:
        return ToyQuestion(_QUESTION_TEXTS[asked], context.replace("\0", " ") or "nothing", None, None)
    marked = context.index(f"{_PREPOSITIONS[asked]}\0") + len(_PREPOSITIONS[asked]) + 1
    plain = context.replace("\0", " ")
    return ToyQuestion(_QUESTION_TEXTS[asked], plain, marked, marked + len(facts[asked]))


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
_SENTENCE_TEMPLATES = {"en": "the {0} {1} at {2} .", "de": "{2} : {0} {1} !", "fr": "{0} {1} chez {2} ."}


def sentences() -> list[dict[str, str]]:
    """Return sentences in three languages, each with its `summary`."""
    found = []
    for indices in itertools.product(*map(range, map(len, WORDS["en"]))):
        texts = {
            language: _SENTENCE_TEMPLATES[language].format(
                *(words[at] for words, at in zip(known, indices, strict=True))
            )
            for language, known in WORDS.items()
        }
        found.append(texts | {"summary": f"{WORDS['en'][0][indices[0]]} {WORDS['en'][1][indices[1]]} ."})
    random.Random(2).shuffle(found)
    return found
