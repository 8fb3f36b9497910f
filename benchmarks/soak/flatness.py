"""Growth of a series over time. A series is points of seconds and a value, in order."""

import statistics
from collections.abc import Sequence
from itertools import combinations

Series = Sequence[tuple[float, float]]

MIN_SECONDS = 600.0
"""A process that lived shorter than these seconds is not judged: its warm-up would count as growth."""


def slope(line: Series) -> float:
    """Return the growth an hour: the median slope between all pairs of points (Theil-Sen estimator), which a single
    burst does not change."""
    return 3600 * statistics.median((y - x) / (b - a) for (a, x), (b, y) in combinations(line, 2))


def second_half(line: Series) -> Series:
    """Return the points of the second half of the time."""
    middle = (line[0][0] + line[-1][0]) / 2
    return [point for point in line if point[0] >= middle]


def quarters(line: Series) -> tuple[float, float]:
    """Return the medians of the first and of the last quarter of the points."""
    quarter = max(len(line) // 4, 1)
    first, last = line[:quarter], line[-quarter:]
    return statistics.median(value for _, value in first), statistics.median(value for _, value in last)


def growth_per_hour(line: Series) -> float | None:
    """Return the growth an hour over the second half, or None if the series is too short."""
    if len(line) < 4 or line[-1][0] - line[0][0] < MIN_SECONDS:
        return None
    return slope(second_half(line))
