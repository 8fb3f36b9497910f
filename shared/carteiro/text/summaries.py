"""Extractive summaries: the sentences that are closest to the whole text and that do not repeat each other.

The score of a sentence is its centrality, the similarity to the mean of all sentences, minus its redundancy, the
similarity to the sentences chosen before it. This is maximal marginal relevance (Carbonell and Goldstein, "The Use of
MMR, Diversity-Based Reranking for Reordering Documents and Producing Summaries", SIGIR 1998).
"""

import math
import re
from collections.abc import Sequence
from typing import Literal

from carteiro.text.structure import PartKind, StructuredPart
from carteiro.text.vectors import Vector, cosine, mean_direction

Style = Literal["paragraph", "bullets"]
Length = Literal["short", "medium", "long"]

_REDUNDANCY_WEIGHT = 0.6
"""Weight of the similarity to the chosen sentences, which is subtracted from the score."""
_MAX_SIMILARITY = 0.92
"""Similarity to a chosen sentence from which a sentence counts as a repetition."""
_LEAD_BONUS = 0.25
"""Bonus for the first sentence, which usually names the subject of the text."""
_AWKWARDNESS_PENALTY = 0.12
"""Penalty for a sentence that depends on the one before it, is very short, or is very long."""
_MIN_WORDS, _MAX_WORDS = 6, 45
_BACK_REFERENCE = re.compile(
    r"(?i)(?:he|she|it|they|this|that|these|those|his|her|their|its|but|and|so|then|some|there|both|also|however|"
    r"therefore|ele|ela|eles|elas|isso|isto|esse|essa|este|esta|mas|então|também|porém|portanto|assim)\b"
)
"""Start of a sentence that depends on the one before it."""
_MAX_SENTENCES = {
    "paragraph": {"short": (1, 0.0), "medium": (3, 0.5), "long": (8, 0.75)},
    "bullets": {"short": (2, 0.25), "medium": (4, 0.5), "long": (10, 0.75)},
}
"""Maximum sentences of a summary, as a number and as a share of the sentences of the text."""


def summarizable_parts(text_parts: Sequence[StructuredPart]) -> list[StructuredPart]:
    """Return the parts that a summary may contain.

    They are the sentences. If there are fewer than two, list items and quotes are added, then all parts except code.
    """
    for kinds in ({PartKind.PROSE}, {PartKind.PROSE, PartKind.ITEM, PartKind.QUOTE}):
        chosen = [part for part in text_parts if part.kind in kinds]
        if len(chosen) > 1:
            return chosen
    return [part for part in text_parts if part.kind is not PartKind.CODE] or list(text_parts)


def sentence_count(total: int, style: Style, length: Length) -> int:
    """Return the number of sentences of a summary. `total` is the number of sentences of the text."""
    max_count, share = _MAX_SENTENCES[style][length]
    return max(1, min(max_count, math.ceil(total * share)))


def central_sentences(texts: Sequence[str], vectors: Sequence[Vector], count: int) -> list[int]:
    """Return the indices of at most `count` sentences, in the order of the text.

    `vectors` are those of the texts, of length 1.
    """
    if not texts:
        return []
    centre = mean_direction(vectors)
    central = [cosine(vector, centre) - _awkwardness(text) for text, vector in zip(texts, vectors, strict=True)]
    # A very short first sentence is probably a title that ends in a full stop.
    lead = next((index for index, text in enumerate(texts) if len(text.split()) >= _MIN_WORDS), 0)
    central[lead] += _LEAD_BONUS
    redundancy = [-1.0] * len(texts)
    """Similarity of each sentence to the most similar chosen sentence."""
    chosen: list[int] = []
    remaining = set(range(len(texts)))
    while remaining and len(chosen) < count:
        # The negative index makes the first of equal sentences win.
        best = max(remaining, key=lambda at: (central[at] - _REDUNDANCY_WEIGHT * max(redundancy[at], 0.0), -at))
        chosen.append(best)
        redundancy = [
            max(each, cosine(vector, vectors[best])) for each, vector in zip(redundancy, vectors, strict=True)
        ]
        remaining = {at for at in remaining if at != best and redundancy[at] < _MAX_SIMILARITY}
    return sorted(chosen)


def format_summary(points: Sequence[str], style: Style) -> str:
    """Return the text of a summary: its points as a list or as a paragraph."""
    return "\n".join(f"- {point}" for point in points) if style == "bullets" else " ".join(points)


def _awkwardness(text: str) -> float:
    words = len(text.split())
    beginning = text.lstrip("\"'“‘(")
    depends = _BACK_REFERENCE.match(beginning) is not None or beginning[:1].islower()
    return _AWKWARDNESS_PENALTY * (depends + (words < _MIN_WORDS) + (words > _MAX_WORDS))
