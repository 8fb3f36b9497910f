"""Mapping of a classifier's labels to the labels of a request."""

from collections.abc import Mapping, Sequence

from carteiro.models.errors import Unsupported

_SYNONYMS = {
    "positive": ("positive", "pos"),
    "negative": ("negative", "neg"),
    "neutral": ("neutral", "neu"),
}
_LABEL_BY_SYNONYM = {name: label for label, names in _SYNONYMS.items() for name in names}


def select_scores(model: str, probabilities: Mapping[str, float], requested: Sequence[str] | None) -> dict[str, float]:
    """Return a score for each requested label, with a sum of 1.

    If `requested` is None, the labels are those of the model, with synonyms replaced by positive, negative and neutral.
    Raise `Unsupported` if the model does not have a label.
    """
    if requested is None:
        known = _by_canonical_label(probabilities)
        scores = {
            _LABEL_BY_SYNONYM.get(label.casefold(), label): known[_canonical_label(label)] for label in probabilities
        }
    else:
        scores = find_probabilities(model, probabilities, requested)
    total = sum(scores.values())
    # If all requested labels have probability 0, they get equal scores.
    return {label: score / total if total > 0 else 1 / len(scores) for label, score in scores.items()}


def find_probabilities(model: str, probabilities: Mapping[str, float], requested: Sequence[str]) -> dict[str, float]:
    """Return the probability of each requested label.

    Labels are compared without case, and `POS` means positive. Raise `Unsupported` if the model does not have a label.
    """
    known = _by_canonical_label(probabilities)
    if missing := [label for label in requested if _canonical_label(label) not in known]:
        known_labels = ", ".join(probabilities)
        raise Unsupported(
            f"{model} has no label {missing[0]!r}; it has {known_labels}: ask for some of these, or for none"
        )
    return {label: known[_canonical_label(label)] for label in requested}


def _by_canonical_label(probabilities: Mapping[str, float]) -> dict[str, float]:
    known: dict[str, float] = {}
    for label, probability in probabilities.items():
        known[_canonical_label(label)] = known.get(_canonical_label(label), 0.0) + probability
    return known


def _canonical_label(label: str) -> str:
    folded = label.casefold()
    return _LABEL_BY_SYNONYM.get(folded, folded)
