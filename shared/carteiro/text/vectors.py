"""Vector arithmetic in plain Python, so that a service needs no library for it."""

import math
from collections.abc import Sequence
from operator import mul

Vector = Sequence[float]


def cosine(left: Vector, right: Vector) -> float:
    """Return the cosine similarity, -1 to 1, of two vectors of length 1."""
    return math.fsum(map(mul, left, right))


def mean_direction(vectors: Sequence[Vector]) -> Vector:
    """Return the mean of vectors, scaled to length 1; zeros if they cancel out."""
    sums = [math.fsum(column) for column in zip(*vectors, strict=True)]
    length = math.hypot(*sums)
    return tuple(value / length for value in sums) if length else tuple(sums)
