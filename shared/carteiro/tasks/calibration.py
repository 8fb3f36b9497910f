"""Calibration of label scores: the bias of a model towards each label, which is subtracted."""

import asyncio
from collections.abc import Sequence

from carteiro.concurrency.single_flight import SingleFlight
from carteiro.models.interface import RankingModel
from carteiro.schemas import Usage

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
"""A balanced sample. A single contentless text ("N/A"), as in Zhao et al. 2021 (arXiv:2102.09690), was worse."""
_MAX_CACHED = 256


class Calibration:
    """Cache of the mean log-probability of each label over sample sentences, computed once for a set of labels."""

    def __init__(self) -> None:
        self._cache: dict[tuple[str, str, tuple[str, ...]], list[float]] = {}
        self._running: SingleFlight[list[float]] = SingleFlight()

    async def margins(
        self, model: RankingModel, template: str, text: str, labels: Sequence[str]
    ) -> tuple[list[float], Usage]:
        """Return by how much more likely the text makes each label than usual, as a difference of logarithms.

        `template` has the field `{text}`.
        """
        ranking = await model.rank(template.format(text=text.strip()), [f" {label}" for label in labels])
        expected = await self.baseline(model, template, labels)
        margins = [value - usual for value, usual in zip(ranking.log_probabilities, expected, strict=True)]
        return margins, ranking.usage

    async def baseline(self, model: RankingModel, template: str, labels: Sequence[str]) -> list[float]:
        """Return the mean log-probability of each label, in order."""
        key = (model.name, template, tuple(labels))
        if key in self._cache:
            return self._cache[key]
        means, known = await self._running.run(repr(key).encode(), lambda: _mean(model, template, labels))
        if not known:
            if len(self._cache) >= _MAX_CACHED:
                # Label sets come from callers, so the cache is bounded to protect the memory.
                self._cache.pop(next(iter(self._cache)))
            self._cache[key] = means
        return means


async def _mean(model: RankingModel, template: str, labels: Sequence[str]) -> list[float]:
    continuations = [f" {label}" for label in labels]
    rankings = await asyncio.gather(*(model.rank(template.format(text=each), continuations) for each in _SENTENCES))
    columns = zip(*(ranking.log_probabilities for ranking in rankings), strict=True)
    return [sum(column) / len(column) for column in columns]
