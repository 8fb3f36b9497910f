"""Whether a line is flat. A line is points of seconds and a value, in order."""

import statistics
from collections.abc import Sequence
from itertools import combinations

Line = Sequence[tuple[float, float]]

LEAST_SECONDS = 600.0
"""A process that lived shorter is not judged: what it takes to warm up would count as growth."""


def slope(line: Line) -> float:
    """How much it rises an hour: the median of the slopes between all pairs of points (Theil and Sen), which no
    single burst can tilt."""
    return 3600 * statistics.median((y - x) / (b - a) for (a, x), (b, y) in combinations(line, 2))


def second_half(line: Line) -> Line:
    """The points after half of its time."""
    middle = (line[0][0] + line[-1][0]) / 2
    return [point for point in line if point[0] >= middle]


def quarters(line: Line) -> tuple[float, float]:
    """The medians of the first and of the last quarter of its points."""
    quarter = max(len(line) // 4, 1)
    first, last = line[:quarter], line[-quarter:]
    return statistics.median(value for _, value in first), statistics.median(value for _, value in last)


def growth(line: Line) -> float | None:
    """How much it rises an hour over its second half; None where it is too short to say."""
    if len(line) < 4 or line[-1][0] - line[0][0] < LEAST_SECONDS:
        return None
    return slope(second_half(line))
