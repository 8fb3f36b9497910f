"""Likelihoods of labels by the tokens of a completion that names one in JSON."""

import json
import math
import re
from collections.abc import Mapping, Sequence

from carteiro.models.results import TokenChoice

_LABEL = re.compile(r'"label"\s*:\s*"')
_MAX_AMBIGUOUS = 0.01
"""Maximum share of the probability that may belong to tokens with which several labels begin."""


def likelihoods(tokens: Sequence[TokenChoice], names: Sequence[str]) -> dict[str, float] | None:
    """Return the probability of each label as the first one that the completion names; their sum is 1.

    Return None if the tokens do not tell: there are none, or several labels begin with the same likely token.
    """
    named = _LABEL.search("".join(token.text for token in tokens))
    if named is None:
        return None
    begin = 0
    for token in tokens:
        if begin <= named.end() < begin + len(token.text):
            return _first_token_scores(token.text[: named.end() - begin], token.log_probabilities, names)
        begin += len(token.text)
    return None


def _first_token_scores(
    opening: str, log_probabilities: Mapping[str, float], names: Sequence[str]
) -> dict[str, float] | None:
    """Return the scores by the alternatives to a token, which begins with `opening` before the label's text."""
    forms = {form: name for name in names for form in (name, json.dumps(name)[1:-1])}
    weights, ambiguous = dict.fromkeys(names, 0.0), 0.0
    for alternative, log_probability in log_probabilities.items():
        text, closed, _ = alternative.removeprefix(opening).partition('"')
        if not text or not alternative.startswith(opening):
            continue
        fits = {name for form, name in forms.items() if (form == text if closed else form.startswith(text))}
        weight = math.exp(min(log_probability, 0.0))
        if len(fits) == 1:
            weights[fits.pop()] += weight
        elif fits:
            ambiguous += weight
    total = math.fsum(weights.values())
    if not total or ambiguous > _MAX_AMBIGUOUS * total:
        return None
    return {name: weight / total for name, weight in weights.items()}
