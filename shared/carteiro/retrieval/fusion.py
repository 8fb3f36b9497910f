"""Fusion of ranked lists of hits into one."""

from collections.abc import Sequence
from dataclasses import replace

from carteiro.retrieval.chunk import ChunkHit

RANK_CONSTANT = 60
"""Constant of Cormack et al.; the higher it is, the less the first ranks count."""


def fuse_hits(rankings: Sequence[Sequence[ChunkHit]], limit: int, rank_constant: int = RANK_CONSTANT) -> list[ChunkHit]:
    """Return up to `limit` hits of all rankings, best first, by reciprocal rank fusion.

    The score of a hit is the sum of `1 / (rank_constant + rank)` over the rankings that have it, with ranks from 1
    (G. Cormack, C. Clarke, S. Buettcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning
    Methods", SIGIR 2009). Of equal scores, the hit that stands first in the earlier ranking comes first.
    """
    scores: dict[object, float] = {}
    hits: dict[object, ChunkHit] = {}
    for ranking in rankings:
        for rank, hit in enumerate(ranking, 1):
            hits.setdefault(hit.id, hit)
            scores[hit.id] = scores.get(hit.id, 0.0) + 1 / (rank_constant + rank)
    best = sorted(scores, key=lambda id_: -scores[id_])[:limit]
    return [replace(hits[id_], score=scores[id_]) for id_ in best]
