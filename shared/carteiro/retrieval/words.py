"""Words of chunks and queries, equal for all stores: without case and accents, and pairs of characters for Chinese,
Japanese and other scripts that do not separate words (as Lucene's `CJKAnalyzer`).
"""

import re
import unicodedata
from itertools import pairwise

MAX_QUERY_WORDS = 64
MAX_CHUNK_WORDS = 50_000
_MAX_WORD_CHARACTERS = 64

_ACCENTS = re.compile("[\u0300-\u036f]+")
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # kana, Chinese characters
)
# The marks of Indic scripts are no word characters for `re`.
_WORD = re.compile(rf"(?P<unspaced>[{_UNSPACED}]+)|(?:(?![{_UNSPACED}_])[\w\u0900-\u0dff])+")


def words_of(text: str) -> list[str]:
    """Return the words of a text in order, with repetitions. They have letters, digits and marks only."""
    folded = unicodedata.normalize("NFKD", text.casefold())
    folded = unicodedata.normalize("NFC", _ACCENTS.sub("", folded))
    words: list[str] = []
    for found in _WORD.finditer(folded):
        if found["unspaced"] and len(found[0]) > 1:
            words += map("".join, pairwise(found[0]))
        else:
            words.append(found[0][:_MAX_WORD_CHARACTERS])
        if len(words) >= MAX_CHUNK_WORDS:
            break
    return words[:MAX_CHUNK_WORDS]


def query_words(query: str) -> list[str]:
    """Return the different words of a query in order, at most `MAX_QUERY_WORDS`."""
    return list(dict.fromkeys(words_of(query)))[:MAX_QUERY_WORDS]
