"""Which token comes next, by its logits."""

import numpy

from carteiro.models.in_process.defaults import COLD, TOP


class Sampler:
    """Takes the likeliest token, or draws one of the likeliest; a seed repeats the draws."""

    def __init__(self, temperature: float | None, seed: int | None) -> None:
        self._temperature = temperature if temperature is not None and temperature > COLD else None
        self._chance = numpy.random.default_rng(None if seed is None else abs(seed))

    def choose(self, logits: numpy.ndarray) -> int:
        """The token."""
        if self._temperature is None:
            return int(logits.argmax())
        likeliest = numpy.argsort(logits)[-TOP:]
        scaled = logits[likeliest].astype("float64") / self._temperature
        weights = numpy.exp(scaled - scaled.max())
        return int(self._chance.choice(likeliest, p=weights / weights.sum()))
