"""Completions that follow a JSON Schema: tokens that would leave it are never chosen."""

from functools import cached_property
from typing import Any

import llguidance
import llguidance.hf
import numpy
import torch
from transformers import LogitsProcessor

from carteiro.models.failures import Unsupported
from carteiro.models.in_process.json_grammar import grammar_of, not_followed


class Grammar:
    """Makes what constrains a completion, for one tokenizer (llguidance, which also guards OpenAI's API)."""

    def __init__(self, tokenizer: Any, end_tokens: list[int]) -> None:
        self._source, self._end_tokens = tokenizer, end_tokens

    @cached_property
    def _tokenizer(self) -> llguidance.LLTokenizer:
        try:
            return llguidance.hf.from_tokenizer(self._source, eos_token=self._end_tokens)
        except ValueError as error:
            raise Unsupported(f"json_schema cannot be followed with this model's tokenizer: {error}") from None

    def follow(self, schema: dict[str, Any], prompt_tokens: int) -> LogitsProcessor:
        """What keeps one completion inside the schema. Raises `InvalidPrompt` for a schema it cannot follow."""
        matcher = llguidance.LLMatcher(self._tokenizer, grammar_of(schema), log_level=0)
        if matcher.is_error():
            raise not_followed(matcher.get_error())
        return _Follow(matcher, prompt_tokens)


class _Follow(LogitsProcessor):  # type: ignore[misc]
    def __init__(self, matcher: llguidance.LLMatcher, prompt_tokens: int) -> None:
        self._matcher = matcher
        self._read = prompt_tokens

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        for token in input_ids[0, self._read :].tolist():
            self._matcher.consume_token(token)
        self._read = input_ids.shape[1]
        bits = numpy.frombuffer(self._matcher.compute_bitmask(), dtype=numpy.uint8)
        # A model may have more outputs than its tokenizer has tokens; those beyond are never allowed.
        allowed = torch.zeros(scores.shape[-1], dtype=torch.uint8)
        known = torch.from_numpy(numpy.unpackbits(bits, bitorder="little")[: scores.shape[-1]])
        allowed[: len(known)] = known
        return scores.masked_fill(allowed.to(scores.device) == 0, float("-inf"))
