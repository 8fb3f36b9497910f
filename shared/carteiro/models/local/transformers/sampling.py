"""The choice of the next token by the request's own temperature, seed and grammar, independent of the batch."""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import LogitsProcessor

from carteiro.models.local.text_generation.defaults import is_sampled
from carteiro.models.prompt import Prompt


class TorchSampler:
    """Chooses the tokens of one completion.

    `processors` are those that `generate` of Transformers applies by the model's own generation config (a repetition
    penalty, top-p, ...). The sampler has its own random generator: a seed gives the same text in every batch.
    """

    def __init__(self, processors: Sequence[LogitsProcessor], generator: torch.Generator | None) -> None:
        self._processors = processors
        self._generator = generator

    @property
    def is_greedy(self) -> bool:
        """True if the likeliest token is always taken and no processor is applied."""
        return not self._processors and self._generator is None

    def sample(self, tokens: Sequence[int], logits: torch.Tensor) -> int:
        """Return the token after `tokens`, the prompt included. `logits` are `[vocabulary]`."""
        scores = logits.float()[None]
        if self._processors:
            token_ids = torch.tensor([list(tokens)], device=scores.device)
            for processor in self._processors:
                scores = processor(token_ids, scores)
        if self._generator is None:
            return int(scores.argmax())
        return int(torch.multinomial(scores.softmax(-1)[0], 1, generator=self._generator))


def make_sampler(model: Any, prompt_tokens: int, prompt: Prompt, grammar: LogitsProcessor | None) -> TorchSampler:
    """Return the sampler of one completion. It is greedy if the prompt's temperature is None or near zero."""
    generator = None
    options: dict[str, Any] = {"do_sample": False}
    if is_sampled(prompt.temperature):
        options = {"do_sample": True, "temperature": prompt.temperature}
        options |= {} if prompt.top_p is None else {"top_p": prompt.top_p}
        generator = torch.Generator(model.device)
        generator.seed() if prompt.seed is None else generator.manual_seed(prompt.seed)
    # Private methods are used because the public ones ignore the model's own generation config. A test covers them.
    config, _ = model._prepare_generation_config(None, **options)  # noqa: SLF001
    model._prepare_special_tokens(config, True, device=model.device)  # noqa: SLF001
    processors = model._get_logits_processor(  # noqa: SLF001
        config, prompt_tokens, logits_processor=[] if grammar is None else [grammar], device=model.device
    )
    return TorchSampler(processors, generator)
