"""A classifier's own labels, as a request names them."""

from collections.abc import Mapping, Sequence

from carteiro.models.failures import Unsupported

_NAMES = {
    "positive": ("positive", "pos"),
    "negative": ("negative", "neg"),
    "neutral": ("neutral", "neu"),
}
_MEANT = {name: label for label, names in _NAMES.items() for name in names}


def fit(model: str, probabilities: Mapping[str, float], wanted: Sequence[str] | None) -> dict[str, float]:
    """A score for each label that is wanted; together they make 1.

    Labels are compared without regard to case, and `POS` is positive. Where none are wanted they are the model's own,
    with positive, negative and neutral written so. Raises `Unsupported` for a label that the model does not have.
    """
    known: dict[str, float] = {}
    for label, probability in probabilities.items():
        known[_meaning(label)] = known.get(_meaning(label), 0.0) + probability
    if wanted is None:
        scores = {_MEANT.get(label.casefold(), label): known[_meaning(label)] for label in probabilities}
    else:
        if lacking := [label for label in wanted if _meaning(label) not in known]:
            has = ", ".join(probabilities)
            raise Unsupported(f"{model} has no label {lacking[0]!r}; it has {has}: ask for some of these, or for none")
        scores = {label: known[_meaning(label)] for label in wanted}
    total = sum(scores.values())
    # Where the model finds none of them at all likely, they are alike.
    return {label: score / total if total > 0 else 1 / len(scores) for label, score in scores.items()}


def _meaning(label: str) -> str:
    folded = label.casefold()
    return _MEANT.get(folded, folded)
