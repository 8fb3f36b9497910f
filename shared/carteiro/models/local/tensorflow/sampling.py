"""The choice of the next token by its logits."""

from collections.abc import Sequence

import numpy

from carteiro.models.local.text_generation.defaults import TOP_K, is_sampled


class NumpySampler:
    """Chooses the likeliest token, or samples among the likeliest tokens; a seed repeats the samples."""

    def __init__(self, temperature: float | None, seed: int | None, top_p: float | None = None) -> None:
        self._temperature = temperature if is_sampled(temperature) else None
        self._top_p = top_p
        self._generator = numpy.random.default_rng(None if seed is None else abs(seed))

    @property
    def is_greedy(self) -> bool:
        """True if the likeliest token is always taken."""
        return self._temperature is None

    def sample(self, _: Sequence[int], logits: numpy.ndarray) -> int:
        """Return the next token. `logits` are `[vocabulary]`."""
        if self._temperature is None:
            return int(logits.argmax())
        likeliest = numpy.argsort(logits)[-TOP_K:]
        scaled = logits[likeliest].astype("float64") / self._temperature
        weights = numpy.exp(scaled - scaled.max())
        if self._top_p is not None:
            # In ascending order, a token is kept if it and the likelier ones are needed for the probability `top_p`.
            weights *= numpy.cumsum(weights) > (1 - self._top_p) * weights.sum()
        return int(self._generator.choice(likeliest, p=weights / weights.sum()))
