"""The sentiment of a text from that of its parts."""

from collections.abc import Iterable

LABELS = ("positive", "negative", "neutral")


def weighted_mean(parts: Iterable[tuple[dict[str, float], int]]) -> dict[str, float]:
    """Return the probability of each label over parts with their probabilities and lengths, with a sum of 1."""
    totals = dict.fromkeys(LABELS, 0.0)
    for probabilities, length in parts:
        for label in LABELS:
            totals[label] += probabilities[label] * max(length, 1)
    whole = sum(totals.values())
    return {label: total / whole if whole > 0 else 1 / len(LABELS) for label, total in totals.items()}
