"""What a model would say of nothing in particular: its leaning towards a label, to be taken off."""

from carteiro.models.interface import RankingModel

_SENTENCES = (
    "The meeting is on Tuesday.",
    "I love it.",
    "I hate it.",
    "My name is John.",
    "It was good.",
    "It was bad.",
    "The box contains six cups.",
    "He lives in London.",
)
"""A balanced handful. A single contentless text ("N/A"), as Zhao et al. 2021 (arXiv:2102.09690) have it, was worse."""
_MOST = 256


class Calibration:
    """The mean log-probability of each label over a handful of sentences, worked out once for a set of labels."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, tuple[str, ...]], list[float]] = {}

    async def expected(self, model: RankingModel, template: str, labels: list[str]) -> list[float]:
        """What the labels get on average, in their order. `template` has a place for `{text}`."""
        key = (model.name, template, tuple(labels))
        if key not in self._known:
            continuations = [f" {label}" for label in labels]
            rankings = [await model.rank(template.format(text=each), continuations) for each in _SENTENCES]
            columns = zip(*(ranking.log_probabilities for ranking in rankings), strict=True)
            if len(self._known) >= _MOST:
                # Label sets come from callers: they may not fill the memory.
                self._known.pop(next(iter(self._known)))
            self._known[key] = [sum(column) / len(column) for column in columns]
        return self._known[key]
