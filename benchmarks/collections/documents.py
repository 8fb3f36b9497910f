"""Documents that are measured: those of the corpus, and copies with other words."""

import itertools
import random
import re
from collections.abc import Iterator

from carteiro.retrieval.document import Document
from tests.quality import corpus

_CHANGED_SHARE = 0.2
"""Share of a copy's words that are words of other documents."""


def generate() -> Iterator[Document]:
    """Yield the documents of the corpus, then copies of them with other words, without end."""
    originals = corpus.read_documents()
    words = [word for each in originals for word in each.text.split()]
    choose = random.Random(7)
    for copy in itertools.count():
        for each in originals:
            text = each.text if copy == 0 else _changed(each.text, words, choose)
            yield Document(f"{each.key}/{copy}", text, each.title, each.uri, each.fields)


def _changed(text: str, words: list[str], choose: random.Random) -> str:
    return re.sub(r"\S+", lambda word: choose.choice(words) if choose.random() < _CHANGED_SHARE else word[0], text)
