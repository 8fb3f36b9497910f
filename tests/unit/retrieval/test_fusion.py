import uuid

import pytest

from carteiro.retrieval.chunk import Chunk, ChunkHit
from carteiro.retrieval.fusion import fuse_hits


def hits(names: str) -> list[ChunkHit]:
    return [
        ChunkHit(uuid.uuid5(uuid.NAMESPACE_URL, name), Chunk(0, 0, 1, name), name, "", "", {}, score=100.0)
        for name in names
    ]


def fused(*rankings: str, limit: int = 10) -> str:
    return "".join(hit.key for hit in fuse_hits([hits(each) for each in rankings], limit))


def test_hit_of_both_rankings_is_before_the_first_of_either():
    assert fused("abc", "dbe") == "badce"


def test_score_is_the_sum_of_the_reciprocal_ranks():
    scores = {hit.key: hit.score for hit in fuse_hits([hits("ab"), hits("ba"), hits("b")], 10)}
    assert scores == pytest.approx({"a": 1 / 61 + 1 / 62, "b": 1 / 62 + 1 / 61 + 1 / 61})


def test_equal_scores_keep_the_order_of_the_rankings():
    assert fused("ab", "cd") == "acbd"


def test_only_so_many_hits_are_returned():
    assert fused("abc", "def", limit=2) == "ad"
    assert fused() == fused("", "") == ""
