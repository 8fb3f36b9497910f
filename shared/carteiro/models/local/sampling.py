"""How the next token is chosen: by the request's own temperature, seed and grammar, whatever else is in the batch."""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import LogitsProcessor

from carteiro.models.in_process.defaults import COLD


class Sampler:
    """Chooses the tokens of one completion.

    It has what `generate` of Transformers would apply by the model's own generation config (a repetition penalty,
    top-p, ...) and a random generator of its own, so that a seed gives the same text alone and inside any batch.
    """

    def __init__(self, processors: Sequence[LogitsProcessor], generator: torch.Generator | None) -> None:
        self._processors = processors
        self._generator = generator

    @property
    def greedy(self) -> bool:
        """Whether the likeliest token is always taken, and nothing else is asked."""
        return not self._processors and self._generator is None

    def choose(self, tokens: Sequence[int], logits: torch.Tensor) -> int:
        """The token after `tokens`, prompt included, by the model's `logits` for it (one row)."""
        scores = logits.float()[None]
        if self._processors:
            read = torch.tensor([list(tokens)], device=scores.device)
            for processor in self._processors:
                scores = processor(read, scores)
        if self._generator is None:
            return int(scores.argmax())
        return int(torch.multinomial(scores.softmax(-1)[0], 1, generator=self._generator))


def make_sampler(
    model: Any, prompt_tokens: int, temperature: float | None, seed: int | None, grammar: LogitsProcessor | None
) -> Sampler:
    """The sampler of one completion. Without a temperature, or with one near zero, it is greedy."""
    generator = None
    asked: dict[str, Any] = {"do_sample": False}
    if temperature and temperature > COLD:
        asked = {"do_sample": True, "temperature": temperature}
        generator = torch.Generator(model.device)
        generator.seed() if seed is None else generator.manual_seed(seed)
    # Private names: public ones leave out what a model's own generation config asks for. A test holds them.
    config, _ = model._prepare_generation_config(None, **asked)  # noqa: SLF001
    model._prepare_special_tokens(config, True, device=model.device)  # noqa: SLF001
    processors = model._get_logits_processor(  # noqa: SLF001
        config, prompt_tokens, logits_processor=[] if grammar is None else [grammar], device=model.device
    )
    return Sampler(processors, generator)
